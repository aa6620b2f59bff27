"""Jobs whose text is to be encoded first: sent to wait for it, claimed for it, sent on to sampling.

A job waits in the class of the encoder (`hymo.encode.<GiB>`) while `encode_gib` is set. Whether a
text is encoded is known to whoever sees the store of embeddings, which is a worker: a submit sends
every job to its sampling class, and the first worker that finds the text missing sends it here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Integer, Select, String, bindparam, func, select, update

from jobs.domain.attempts import Claim, Run, Timings
from jobs.domain.memory import ENCODE, GIB
from jobs.domain.routing import Offer, TextDemand
from jobs.domain.states import Outcome, State
from jobs.store.base import CHUNK, Found, StorePart, among
from jobs.store.queue.claims import TAKEABLE, lanes_of, registered, take
from jobs.store.queue.endings import Ending, cancelled, end, released
from jobs.store.queue.lanes import QUEUED, READY, SAMPLING, WAITING, best
from jobs.store.tables import jobs

_MINE = (
    WAITING,
    jobs.c.text_revision == bindparam("revision", type_=String),
    jobs.c.model == bindparam("model", type_=String),
    *READY,
)
_WAITERS = (
    select(jobs.c.id, jobs.c.prompt)
    .where(*_MINE)
    .order_by(jobs.c.priority.desc(), jobs.c.id)
    .limit(bindparam("n", type_=Integer))
)
_CROWD = select(func.count().label("n")).select_from(
    _WAITERS.with_only_columns(jobs.c.id).subquery()
)


@dataclass(frozen=True)
class Waiter:
    """A queued job and the text that it needs."""

    job_id: int
    prompt: str


class EncodingStore(StorePart):
    """Sending jobs to wait for their text, and on."""

    def upcoming(self, offer: Offer, model: str, n: int) -> list[Waiter]:
        """The next `n` jobs of a model that this offer could sample, in the order of claims."""
        with self.read() as connection:
            now = self.present(connection)
            lanes = [
                wanted
                for mode in offer.modes
                for wanted in lanes_of(connection, model, mode, offer.memory_bytes // GIB, offer)
            ]
            if not lanes or model not in offer.models:
                return []
            ids = list(connection.scalars(*best(lanes, n, now=now)))
            prompts: dict[int, str] = {}
            # PostgreSQL may read all of the table for more of them.
            for start in range(0, len(ids), CHUNK):
                some = among(connection, jobs.c.id, ids[start : start + CHUNK])
                found = connection.execute(select(jobs.c.id, jobs.c.prompt).where(some))
                prompts |= {row.id: row.prompt for row in found}
        # A job may be gone from between the two looks; whoever has it needs nothing of this.
        return [Waiter(number, prompts[number]) for number in ids if number in prompts]

    def park(self, job_ids: Sequence[int], text: TextDemand) -> int:
        """Let queued jobs wait for their text; how many do now that did not before."""
        values = {"encode_gib": text.gib, "text_revision": text.revision}
        return self._move(job_ids, SAMPLING, values)

    def unpark(self, job_ids: Sequence[int]) -> int:
        """Send jobs on to their sampling class, since their text is encoded; how many went."""
        return self._move(job_ids, WAITING, {"encode_gib": None, "text_revision": None})

    def send_back(self, claims: Sequence[Claim], text: TextDemand) -> frozenset[int]:
        """Give claimed jobs back untouched, to wait for their text. The attempt does not count.

        Returns:
            The refused job ids, whose claims no longer held.
        """
        return end(self, claims, partial(released, text=text))

    def waiters(self, model: str, revision: str, n: int) -> list[Waiter]:
        """The next `n` jobs of a model that wait for their text from this encoder."""
        return [Waiter(row.id, row.prompt) for row in self._ask(_WAITERS, model, revision, n)]

    def crowd(self, model: str, revision: str, n: int) -> int:
        """How many such jobs there are, counted up to `n`."""
        return int(self._ask(_CROWD, model, revision, n)[0].n)

    def free_strays(self, model: str, encoders: Collection[str]) -> int:
        """Let jobs go that wait for an encoder which nobody has (any more): whoever samples them
        next sends them to wait for its own. How many there were, a chunk at most.

        Args:
            model: of the jobs.
            encoders: revisions that somebody has.
        """
        query = (
            select(jobs.c.id)
            .where(WAITING, jobs.c.text_revision.not_in(list(encoders)), jobs.c.model == model)
            .where(QUEUED)
            .order_by(jobs.c.id)
            .limit(CHUNK)
        )
        with self.read() as connection:
            strays = list(connection.scalars(query))
        return self.unpark(strays)

    def claim_texts(
        self, worker_id: int, job_ids: Sequence[int], *, revision: str, lease: float
    ) -> list[Claim]:
        """Take jobs that wait for their text, to encode it: those that still do.

        Their attempts have `encode` for a mode.

        Raises:
            NotFoundError: no such worker.
        """
        if not job_ids:
            return []
        with self.write() as connection:
            worker = registered(connection, worker_id)
            now = self.present(connection)
            query = TAKEABLE.where(WAITING, jobs.c.text_revision == revision)
            rows = connection.execute(
                query.order_by(jobs.c.id), {"among": list(job_ids), "now": now}
            ).all()
            return take(connection, worker, rows, now=now, lease=lease, phase=ENCODE)

    def encoded(
        self,
        claims: Sequence[Claim],
        timings: Timings,
        run: Run,
        *,
        peak_memory_bytes: int | None = None,
    ) -> frozenset[int]:
        """Send claimed jobs on to their sampling class: their text is encoded now.

        The attempt does not count against the job: it is not the one that makes the motion. A job
        that its owner asked to cancel ends as cancelled instead.

        Args:
            claims: of `claim_texts`.
            timings, run, peak_memory_bytes: of each of them.

        Returns:
            The refused job ids, whose claims no longer held.
        """

        def ending(held: Found) -> Ending:
            if held.cancel_requested:
                return cancelled(held)
            return Ending(
                held=held,
                state=State.QUEUED,
                outcome=Outcome.ENCODED,
                timings=timings,
                run=run,
                peak_memory_bytes=peak_memory_bytes,
                extra=1,
            )

        return end(self, claims, ending)

    def _ask(
        self, query: Select[*tuple[Any, ...]], model: str, revision: str, n: int
    ) -> Sequence[Found]:
        with self.read() as connection:
            values = {"model": model, "revision": revision, "n": n, "now": self.present(connection)}
            return connection.execute(query, values).all()

    def _move(self, job_ids: Sequence[int], where: object, values: dict[str, object]) -> int:
        ids, moved = sorted(set(job_ids)), 0
        for start in range(0, len(ids), CHUNK):
            with self.write() as connection:
                # In the order in which everybody locks jobs.
                some = (
                    select(jobs.c.id)
                    .where(among(connection, jobs.c.id, ids[start : start + CHUNK]))
                    .where(QUEUED, where)  # type: ignore[arg-type]  # a condition
                    .order_by(jobs.c.id)
                    .with_for_update()
                )
                moved += connection.execute(
                    update(jobs)
                    .where(jobs.c.id.in_(some))
                    # Its message lies in the queue that it leaves: it needs another.
                    .values(published_at=None, **values)
                ).rowcount
        return moved
