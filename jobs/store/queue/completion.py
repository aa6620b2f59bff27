"""Completion: a worker ends its attempts as succeeded, failed, cancelled or released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.states import Outcome, State
from jobs.store.base import Found, StorePart
from jobs.store.motions import add_features, add_files
from jobs.store.queue.avoidance import avoiding
from jobs.store.queue.device_faults import faulted
from jobs.store.queue.endings import Ending, cancelled, end, failed, fenced, released, write_endings


class CompletionStore(StorePart):
    """Ends attempts. Every write is fenced: a worker that lost its lease changes nothing."""

    def succeed(
        self, results: Sequence[Success], *, publish: Callable[[Success], None]
    ) -> dict[int, OSError | None]:
        """Finish a pack of jobs in one transaction.

        For each job whose claim still holds, `publish(result)` renames its files into place while
        the row is locked and before the transaction commits. A worker that lost its lease can
        therefore never overwrite the files of the worker that holds the job now. A job succeeds
        even if its cancellation was requested in the meantime: the request came too late.

        Args:
            results: results of at most one pack; `artifacts` contains the final paths of the files.
            publish: must only rename files, because the row is locked meanwhile. An `OSError`
                affects only the job that it was raised for. If the transaction fails to commit,
                the files remain until the job's next attempt overwrites them.

        Returns:
            The refused jobs by id: None if the claim no longer held, or the `OSError` that
            `publish` raised. In the latter case the job is still running under its claim and the
            caller ends it with `fail`.
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
        self, failures: Sequence[Failed], *, backoff: Callable[[int], float], alive: float = 60.0
    ) -> dict[int, State]:
        """End attempts that failed.

        A job returns to the queue if another attempt could succeed and it has attempts left. It
        ends as cancelled if its cancellation was requested. The attempt always keeps its failure
        and error.

        Args:
            failures: the failed attempts.
            backoff: returns the seconds to wait after the attempt with the given number.
            alive: workers not seen for this many seconds do not count as another device for it.

        Returns:
            Each job's new state by id; jobs whose claim no longer held are omitted.
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
            now = self.present(connection)
            write_endings(connection, avoiding(connection, endings, since=now - alive), now)
            return {ending.held.id: ending.state for ending in endings}

    def faulted(
        self,
        claims: Sequence[Claim],
        error: str,
        *,
        alone: bool,
        backoff: Callable[[int], float],
        alive: float = 60.0,
    ) -> dict[int, State]:
        """End attempts that were run together when their device failed; see `device_faults`.

        Args:
            claims: the claims of one forward pass.
            error: begins with `jobs.domain.states.DEVICE_FAULT`.
            alone: whether one attempt was run without others.
            backoff, alive: as in `fail`.

        Returns:
            Each job's new state by id; jobs whose claim no longer held are omitted.
        """
        with self.write() as connection:
            held = list(fenced(connection, claims).values())
            now = self.present(connection)
            endings = faulted(
                connection, held, error, alone=alone, backoff=backoff, since=now - alive
            )
            write_endings(connection, endings, now)
            return {ending.held.id: ending.state for ending in endings}

    def cancelled(self, claims: Sequence[Claim]) -> frozenset[int]:
        """End running jobs whose cancellation was requested.

        Returns:
            Ids of the jobs whose claims no longer held; they are unchanged.
        """
        return end(self, claims, cancelled)

    def release(
        self,
        claims: Sequence[Claim],
        *,
        reason: str | None = None,
        backoff: Callable[[int], float] | None = None,
    ) -> frozenset[int]:
        """Return jobs to the queue, as a draining worker does. The attempt does not count.

        A job whose cancellation was requested ends as cancelled instead. See
        `jobs.store.queue.endings.released` for the arguments.

        Args:
            claims: the claims to give up.
            reason: why, kept as the error of the attempt and of the waiting job.
            backoff: returns the seconds to wait after the n-th return in a row; the first one does
                not wait. None: no return waits.

        Returns:
            Ids of the jobs whose claims no longer held; they are unchanged.
        """
        return end(self, claims, partial(released, reason=reason, backoff=backoff))


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
