"""Commit and publish the jobs of a file, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.artifacts.reuse import ReusedFiles, lost, reusable
from jobs.delivery.publisher import Publishing
from jobs.delivery.reconciler import deliver
from jobs.domain.batches import Batch, NewJob
from jobs.domain.states import State
from jobs.errors import UnreachableError
from jobs.submission.result import SubmitCount
from jobs.submission.router import Routed

if TYPE_CHECKING:
    from jobs.settings import Settings
    from jobs.store.existing import Key, Known
    from jobs.store.store import Store


@dataclass(frozen=True, kw_only=True)
class ChunkWriter:
    """Commits and publishes the chunks of one submit.

    Attributes:
        tally: counts what becomes of the jobs.
        cache: let a job succeed at once if an earlier job with the same content succeeded.
        update: replace changed jobs that no worker has claimed yet.
    """

    store: Store
    publisher: Publishing
    settings: Settings
    batch: Batch
    tally: SubmitCount
    cache: bool
    update: bool

    def write(self, chunk: Sequence[Routed]) -> None:
        """Commit jobs, at most `jobs.store.base.CHUNK` of them, and publish the new ones."""
        known = self.store.batches.existing(self.batch.id, [_key(routed) for routed in chunk])
        reused = ReusedFiles(self.batch.folder)
        insert = partial(
            self.store.batches.insert,
            self.batch,
            attempt_limit=self.settings.max_attempts,
            replace=self.update,
        )
        kept = {key: job for key, job in known.items() if not (self.update and job.untried)}
        try:
            new = self._with_cache(chunk, kept, reused) if self.cache else _uncached(chunk)
            try:
                inserted = insert(new, place=reused.place)
            except OSError:  # A file could not be renamed: insert the chunk without cached jobs.
                new = _uncached(chunk)
                inserted = insert(new)
        finally:
            reused.clear()
        self.tally.add(chunk, new, inserted)
        self._deliver((*inserted.new, *inserted.updated))
        self._queue_again(self._lost(chunk, known))

    def _with_cache(
        self, chunk: Sequence[Routed], known: Mapping[Key, Known], reused: ReusedFiles
    ) -> list[NewJob]:
        """The chunk's jobs; those whose motion already exists succeed with copies of its files.

        Jobs that the batch already has are skipped, so that a resubmit reads no motion files.
        """
        fresh = [routed for routed in chunk if _key(routed) not in known]
        content = self.store.batches.content([routed.content for routed in fresh])
        done: dict[Key, NewJob] = {}
        for routed in fresh:
            job_id, artifacts = content.get(routed.content, (None, ()))
            files = None if job_id is None else reusable(artifacts, routed.spec.formats)
            own = None if files is None else reused.take(routed.spec, files)
            if own is not None:
                done[_key(routed)] = routed.job(job_id, own)
        return [done.get(_key(routed)) or routed.job() for routed in chunk]

    def _lost(self, chunk: Sequence[Routed], known: Mapping[Key, Known]) -> list[tuple[int, str]]:
        """(job id, queue) of the chunk's jobs that had succeeded and whose files are missing."""
        if not self._sees_files:
            return []
        found = [(known.get(_key(routed)), routed.spec) for routed in chunk]
        return [
            (job.id, job.queue)
            for job, spec in found
            if job is not None
            and job.state == State.SUCCEEDED
            and lost(job.artifacts)
            and (not job.differs(spec) or job.differs_in_priority(spec))
        ]

    @property
    def _sees_files(self) -> bool:
        # On a machine that does not mount the workers' disk, missing files are not lost. With
        # SQLite everything is on this machine.
        local = self.settings.database_url.startswith("sqlite")
        return local or Path(self.batch.output).is_dir()

    def _queue_again(self, gone: Sequence[tuple[int, str]]) -> None:
        if not gone:
            return
        self.tally.requeued += self.store.control.retry(
            [job_id for job_id, _ in gone],
            states={State.SUCCEEDED},
            max_attempts=self.settings.max_attempts,
            force=True,
        )
        self._deliver(gone)

    def _deliver(self, messages: Sequence[tuple[int, str]]) -> None:
        # After one failure, all further messages are left to the reconciler.
        if not messages or self.tally.undelivered is not None:
            return
        try:
            deliver(self.store, self.publisher, messages)
        except UnreachableError as error:
            if error.service != "broker":
                raise
            self.tally.undelivered = error


def _key(routed: Routed) -> Key:
    return routed.spec.custom_id, routed.spec.seed


def _uncached(chunk: Sequence[Routed]) -> list[NewJob]:
    return [routed.job() for routed in chunk]
