"""Encoding: jobs that wait for their text are parked, claimed, and returned to sampling.

While `encode_gib` is set, a job waits in the queue of the encoder's class (`hymo.encode.<GiB>`).
Only workers see the store of embeddings and know whether a text is encoded. A submit therefore
sends every job to its sampling class, and the first worker that finds the text missing parks it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import BigInteger, Integer, String, bindparam, func, select, update

from jobs.domain.attempts import Claim, Run, Timings
from jobs.domain.memory import ENCODE
from jobs.domain.routing import Offer, TextDemand
from jobs.domain.states import Outcome, State
from jobs.domain.workers import device_key
from jobs.store.base import CHUNK, Found, StorePart, among
from jobs.store.queue.beginnings import TAKEABLE, registered, take
from jobs.store.queue.claims import FIRST
from jobs.store.queue.conditions import QUEUED, READY, SAMPLING, WAITING, Claimant, opaque
from jobs.store.queue.endings import Ending, cancelled, end, released
from jobs.store.queue.packs import PackSearch
from jobs.store.queue.suspects import together
from jobs.store.tables import CLAIM_ORDER, jobs

_MINE = (
    WAITING,
    jobs.c.text_revision == bindparam("revision", type_=String),
    jobs.c.model == bindparam("model", type_=String),
    *READY,
)
_WAITERS = (
    select(jobs.c.id, jobs.c.prompt, jobs.c.batch_id, jobs.c.priority)
    .where(*_MINE)
    .order_by(*CLAIM_ORDER)
    .limit(bindparam("n", type_=Integer))
)
_LATER_WAITERS = _WAITERS.where(
    jobs.c.priority == opaque("priority", Integer),
    jobs.c.batch_id > opaque("after", BigInteger),
)
_WAITER_COUNT = select(func.count().label("n")).select_from(
    _WAITERS.with_only_columns(jobs.c.id).subquery()
)


@dataclass(frozen=True)
class Waiter:
    """A queued job and the prompt to encode."""

    job_id: int
    prompt: str
    batch_id: int


class EncodingStore(StorePart):
    """Parks jobs that wait for their text, and releases them once it is encoded."""

    def upcoming(
        self, offer: Offer, model: str, n: int, *, after: Mapping[int, int] = FIRST
    ) -> list[Waiter]:
        """The next `n` jobs of a model that this offer could sample, in the order of claiming.

        Those of the batch whose turn is next come first; `after` as in `ClaimStore.claim`.
        """
        if model not in offer.models:
            return []
        with self.read() as connection:
            claimant = Claimant(self.present(connection))
            only = replace(offer, models=(model,))
            ids = PackSearch(connection, only, claimant, after).upcoming(n)
            waiters: dict[int, Waiter] = {}
            # With longer lists PostgreSQL may choose a sequential scan of the table.
            for start in range(0, len(ids), CHUNK):
                some = among(connection, jobs.c.id, ids[start : start + CHUNK])
                query = select(jobs.c.id, jobs.c.prompt, jobs.c.batch_id).where(some)
                waiters |= {row.id: Waiter(*row) for row in connection.execute(query)}
        # A job may have been deleted between the two queries.
        return [waiters[number] for number in ids if number in waiters]

    def park(self, job_ids: Sequence[int], text: TextDemand) -> int:
        """Make queued jobs wait for their text; returns how many did not wait before."""
        values = {"encode_gib": text.gib, "text_revision": text.revision}
        return self._move(job_ids, SAMPLING, values)

    def unpark(self, job_ids: Sequence[int]) -> int:
        """Return jobs to their sampling class once their text is encoded; returns how many."""
        return self._move(job_ids, WAITING, {"encode_gib": None, "text_revision": None})

    def send_back(self, claims: Sequence[Claim], text: TextDemand) -> frozenset[int]:
        """End claims and make the jobs wait for their text. The attempt does not count.

        Returns:
            Ids of the jobs whose claims no longer held; they are unchanged.
        """
        return end(self, claims, partial(released, text=text))

    def waiters(self, model: str, revision: str, n: int, *, after: int = 0) -> list[Waiter]:
        """The next `n` jobs of a model that wait for their text from this encoder.

        As in `ClaimStore.claim`, batches of one priority take turns: those after the batch `after`
        come first.
        """
        values = {"model": model, "revision": revision, "n": n}
        with self.read() as connection:
            values["now"] = self.present(connection)
            found = list(connection.execute(_WAITERS, values))
            if found and found[0].batch_id <= after:
                values |= {"priority": found[0].priority, "after": after}
                found = [*connection.execute(_LATER_WAITERS, values), *found]
        waiters = {row.id: Waiter(row.id, row.prompt, row.batch_id) for row in found}
        return list(waiters.values())[:n]

    def crowd(self, model: str, revision: str, n: int) -> int:
        """Number of jobs that `waiters` selects, counted up to `n`."""
        values = {"model": model, "revision": revision, "n": n}
        with self.read() as connection:
            values["now"] = self.present(connection)
            return int(connection.execute(_WAITER_COUNT, values).scalar_one())

    def free_strays(self, model: str, encoders: Collection[str]) -> int:
        """Return jobs to sampling that wait for an encoder that no worker has.

        The worker that claims such a job next parks it for its own encoder.

        Args:
            model: the jobs' model.
            encoders: revisions of the encoders that workers have.

        Returns:
            The number of jobs returned, at most `CHUNK`.
        """
        query = (
            select(jobs.c.id)
            .where(WAITING, jobs.c.text_revision.not_in(list(encoders)), jobs.c.model == model)
            .where(QUEUED)
            .order_by(jobs.c.id)
            .limit(CHUNK)
        )
        with self.read() as connection:
            ids = list(connection.scalars(query))
        return self.unpark(ids)

    def claim_texts(
        self, worker_id: int, job_ids: Sequence[int], *, revision: str, lease: float
    ) -> list[Claim]:
        """Claim those of the jobs that still wait for their text, to encode it.

        The mode of their attempts is `encode`. Suspects come after the others and in claims of
        their own, as in `ClaimStore.claim`.

        Raises:
            NotFoundError: no worker has this id.
        """
        if not job_ids:
            return []
        with self.write() as connection:
            worker = registered(connection, worker_id)
            now = self.present(connection)
            claimant = Claimant(now, device_key(worker.host, worker.device, worker.uuid))
            query = TAKEABLE.where(
                WAITING, jobs.c.text_revision == revision, *claimant.conditions()
            )
            rows = connection.execute(
                query.order_by(jobs.c.id), {"among": list(job_ids), **claimant.values()}
            ).all()
            pack = together(rows, len(job_ids))
            return take(connection, worker, pack, now=now, lease=lease, phase=ENCODE)

    def encoded(
        self,
        claims: Sequence[Claim],
        timings: Timings,
        run: Run,
        *,
        peak_memory_bytes: int | None = None,
    ) -> frozenset[int]:
        """End claims whose text is now encoded and return the jobs to their sampling class.

        The attempt does not count against the job's limit, because it does not sample the motion.
        A job whose cancellation was requested ends as cancelled instead.

        Args:
            claims: claims from `claim_texts`.
            timings, run, peak_memory_bytes: values recorded for each attempt.

        Returns:
            Ids of the jobs whose claims no longer held; they are unchanged.
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
                suspect=held.suspect,
            )

        return end(self, claims, ending)

    def _move(self, job_ids: Sequence[int], where: object, values: dict[str, object]) -> int:
        ids, moved = sorted(set(job_ids)), 0
        for start in range(0, len(ids), CHUNK):
            with self.write() as connection:
                # Every transaction locks jobs in the order of their ids, which avoids deadlocks.
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
                    # The job's message is in its old queue, so it needs a new one.
                    .values(published_at=None, **values)
                ).rowcount
        return moved
