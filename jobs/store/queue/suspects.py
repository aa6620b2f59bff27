"""Suspects: which workers try the jobs whose worker died, and in packs of what size.

One of them may kill the next worker too, so they never share a pack with other jobs. They must not
hold up the night either: while other jobs wait, most workers run those.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import BigInteger, Connection, Double, bindparam, func, literal, select

from jobs.domain.pauses import PauseScope
from jobs.domain.routing import Demand, Offer, fits
from jobs.store.base import Found
from jobs.store.offers import LIVE, to_offer
from jobs.store.queue.conditions import RUNNING, SUSPECTS
from jobs.store.tables import jobs, workers

#: With one worker, every so many packs are of suspects while other jobs wait.
EVERY = 4
#: An arbitrary number: claims of suspects take turns on PostgreSQL, so that they count each other.
_ADVISORY_LOCK = 4_869_776_880

#: Workers other than the claiming one that hold suspects. A living one renews its leases before a
#: third of them has passed. The leases of one that died hold no other suspects up to their end.
_TRYING = select(func.count(jobs.c.worker_id.distinct())).where(
    RUNNING,
    SUSPECTS,
    jobs.c.worker_id != bindparam("me", type_=BigInteger),
    jobs.c.leased_at + jobs.c.lease_until > 2 * bindparam("now", type_=Double),
)


def tries(
    connection: Connection,
    worker_id: int,
    wanted: Demand,
    *,
    packs: int,
    now: float,
    since: float,
) -> bool:
    """Whether a worker takes suspects although other jobs wait.

    At most a quarter of the workers that fit, and at least one of them, do at a time.

    Args:
        connection: the claim's transaction.
        worker_id: the claiming worker.
        wanted: the demand of the first suspect.
        packs: number of packs that the worker has claimed so far.
        now: epoch seconds by the store's clock.
        since: workers not seen since then do not count.
    """
    live = select(workers).where(workers.c.state == LIVE, workers.c.seen_at >= since)
    rows = connection.execute(live).all()
    others = sum(
        row.id != worker_id and fits(wanted, offer := to_offer(row)) and not _paused(offer)
        for row in rows
    )
    if not others:
        return packs % EVERY == EVERY - 1
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(literal(_ADVISORY_LOCK))))
    trying = connection.execute(_TRYING, {"me": worker_id, "now": now}).scalar_one()
    return bool(trying < max(1, (others + 1) // EVERY))


def pack_size(head: Found, most: int) -> int:
    """Jobs in a pack of suspects, of which at most `most` fit.

    One on its last attempt is alone, and so is one that was given back more than once, since it
    was in hand in two faults of a device.

    With a pack of ⌈√n⌉, one guilty job of n costs its innocent companions one more attempt, and
    about 2√n packs tell it from them.
    """
    return 1 if _last(head) else math.isqrt(max(0, most - 1)) + 1


def together(rows: Sequence[Found], most: int) -> Sequence[Found]:
    """Those of the jobs that one claim may hold: all that are no suspects, else some suspects."""
    healthy = [row for row in rows if not row.suspect]
    if healthy or not rows:
        return healthy
    alike = [row for row in rows if not _last(row)] or rows
    return alike[: pack_size(alike[0], most)]


def _last(row: Found) -> bool:
    return bool(row.attempt + 1 >= row.attempt_limit or row.returns > 1)


def _paused(offer: Offer) -> bool:
    return any(pause.scope is PauseScope.WORKER for pause in offer.pauses)
