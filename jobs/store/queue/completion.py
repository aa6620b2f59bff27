"""Outcomes: what a worker writes when it is done with its jobs, one way or another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.states import Outcome, State
from jobs.store.base import Found, StorePart
from jobs.store.motions import add_features, add_files
from jobs.store.queue.endings import Ending, cancelled, end, failed, fenced, released, write_endings


class CompletionStore(StorePart):
    """Ending attempts. Every write is fenced: a worker that lost its lease changes nothing."""

    def succeed(
        self, results: Sequence[Success], *, publish: Callable[[Success], None]
    ) -> dict[int, OSError | None]:
        """Finish a pack of jobs in one transaction.

        For each job whose claim still holds, `publish(result)` puts its files in place (renames
        them) while the row is locked and before anything is committed. So a worker that lost its
        lease can never put its files over those of the one that has the job now. A job asked to
        cancel in the meantime succeeds all the same: the request came too late.

        Args:
            results: at most a pack of them; `artifacts` name the files where they will be.
            publish: renames only; the row's lock is held meanwhile. An `OSError` concerns its own
                job alone. Files of a transaction that could not commit stay until the job's next
                attempt puts its own over them.

        Returns:
            The refused jobs by id: None where the claim no longer held, or the `OSError` of
            `publish`; that job is still running under its claim, for `fail` to end.
        """
        refused: dict[int, OSError | None] = {}
        done: list[Success] = []
        with self.write() as connection:
            held = fenced(connection, [result.claim for result in results])
            for result in results:
                job_id = result.claim.job_id
                if job_id not in held:
                    refused[job_id] = None
                    continue
                try:
                    publish(result)
                except OSError as error:
                    refused[job_id] = error
                else:
                    done.append(result)
            now = self.present(connection)
            endings = [_succeeded(held[result.claim.job_id], result) for result in done]
            write_endings(connection, endings, now)
            add_files(connection, {each.claim.job_id: each.artifacts for each in done}, now)
            add_features(connection, {each.claim.job_id: each.features for each in done})
        return refused

    def fail(
        self, failures: Sequence[Failed], *, backoff: Callable[[int], float]
    ) -> dict[int, State]:
        """End attempts that failed.

        A job goes back to the queue while a further attempt may help and it has attempts left; it
        ends as cancelled if that was asked for. The attempt keeps its failure and error always.

        Args:
            failures: what went wrong.
            backoff: seconds to wait after the attempt of this number.

        Returns:
            Each job's new state by id; those whose claim no longer held are left out.
        """
        with self.write() as connection:
            held = fenced(connection, [failure.claim for failure in failures])
            endings = [
                failed(
                    held[failure.claim.job_id],
                    failure.failure,
                    failure.error,
                    backoff=backoff,
                    retry=failure.retry,
                    gib=failure.gib,
                    timings=failure.timings,
                    peak_memory_bytes=failure.peak_memory_bytes,
                    run=failure.run,
                )
                for failure in failures
                if failure.claim.job_id in held
            ]
            write_endings(connection, endings, self.present(connection))
            return {ending.held.id: ending.state for ending in endings}

    def cancelled(self, claims: Sequence[Claim]) -> frozenset[int]:
        """End jobs that their owner cancelled while they ran.

        Returns:
            The refused job ids, whose claims no longer held.
        """
        return end(self, claims, cancelled)

    def release(self, claims: Sequence[Claim]) -> frozenset[int]:
        """Give jobs back untouched, as a draining worker does. The attempt does not count.

        A job that its owner asked to cancel ends as cancelled instead.

        Returns:
            The refused job ids, whose claims no longer held.
        """
        return end(self, claims, released)


def _succeeded(held: Found, result: Success) -> Ending:
    return Ending(
        held=held,
        state=State.SUCCEEDED,
        outcome=Outcome.SUCCEEDED,
        timings=result.timings,
        peak_memory_bytes=result.peak_memory_bytes,
        quality=result.quality,
        run=result.run,
    )
