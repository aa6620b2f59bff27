"""The result of a submit, counted chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.artifacts.folder import Sight
from jobs.domain.batches import Batch, Inserted, NewJob
from jobs.errors import UnreachableError
from jobs.promptfile.problem import LISTED, Problem, shown
from jobs.promptfile.survey import Reading, Survey
from jobs.rewriting.report import RewriteReport
from jobs.submission.router import Routed, untrained
from jobs.verbs.unfamiliar import Unfamiliar

#: Number of changed rows that a result names.
NAMED = 5


@dataclass(frozen=True)
class SubmitResult:
    """The result of a submit.

    Attributes:
        batch: the batch as stored.
        new: number of jobs queued.
        existing: number of jobs that already existed with the same request.
        changed: number of jobs that already existed with a different request; left unchanged.
        updated: number of such jobs whose rows were replaced instead.
        reprioritised: number of existing jobs that got another priority.
        respelt: number of jobs left out since the batch has another spelling of their id.
        cached: number of jobs that succeeded at once, with copies of an earlier job's files.
        requeued: number of existing jobs queued again because their files were missing.
        invalid: number of rows left out.
        changed_rows: (id, seed) of the first changed jobs.
        respelt_rows: the problems of the first rows left out for their spelling.
        made: the names of all batches that were made from the file, newest first, before this
            submit; empty if the user named the batch.
        problems: the first problems of the rows left out.
        invalid_file: the file that the rows left out were written to, if there are any.
        metadata: the columns kept as metadata.
        untrained: the file's models that are test engines.
        unfamiliar: what the prompts ask for that their model has not seen in training.
        auto: mode → number of new jobs with mode `auto` that got it.
        manned: whether any worker was live, declared or about to start.
        misfits: reason why no live worker can take a new job → number of such jobs.
        undelivered: why messages could not be published; the reconciler publishes them later.
        rewrites: the outcome of rewriting; None if no rewriter was asked.
        reading: what was recognised of the file.
        folder: what was found of the batch's folder here; `laid` only if the batch had a mark.
    """

    batch: Batch
    new: int
    existing: int
    changed: int
    cached: int
    requeued: int
    updated: int
    reprioritised: int
    respelt: int
    invalid: int
    changed_rows: tuple[tuple[str, int], ...]
    respelt_rows: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    invalid_file: Path | None
    metadata: tuple[str, ...]
    untrained: tuple[str, ...]
    unfamiliar: tuple[Unfamiliar, ...]
    auto: dict[str, int]
    manned: bool
    misfits: dict[str, int]
    undelivered: UnreachableError | None
    rewrites: RewriteReport | None = None
    reading: Reading = field(default_factory=Reading)
    made: tuple[str, ...] = ()
    folder: Sight = field(default_factory=Sight)

    @property
    def refused(self) -> int:
        """Number of jobs that the file asks for and the batch does not have as they are."""
        return self.changed + self.respelt


class SubmitCount:
    """Counts what a submit does.

    Args:
        manned: see `SubmitResult`.
        update: whether the changed jobs that are left are listed, rather than only the first named.
    """

    def __init__(self, *, manned: bool, update: bool) -> None:
        self._listed = LISTED if update else NAMED
        self.done = 0
        self.requeued = 0
        self._manned = manned
        self.undelivered: UnreachableError | None = None
        self._new = self._existing = self._changed = self._cached = 0
        self._updated = self._reprioritised = self._respelt = 0
        self._changed_rows: list[tuple[str, int]] = []
        self._respelt_rows: dict[int, Problem] = {}
        self._auto: Counter[str] = Counter()
        self._misfits: Counter[str] = Counter()

    def add(self, chunk: Sequence[Routed], new: Sequence[NewJob], inserted: Inserted) -> None:
        """Count a chunk.

        The store returns how many jobs of a queue were new, not which. If part of the chunk already
        existed, the first jobs of each queue are counted as the new ones.
        """
        self.done += len(chunk)
        self._new += len(inserted.new)
        self._existing += inserted.existing
        self._changed += len(inserted.changed)
        self._cached += inserted.cached
        self._updated += len(inserted.updated) + inserted.updated_cached
        self._reprioritised += inserted.reprioritised
        self._respelt += len(inserted.respelt)
        self._changed_rows += inserted.changed[: self._listed - len(self._changed_rows)]
        for routed in chunk if inserted.respelt else ():
            other = inserted.respelt.get((routed.spec.custom_id, routed.spec.seed))
            if other is not None and len(self._respelt_rows) < LISTED:
                self._respelt_rows[routed.line] = _respelt(routed, other)
        left = Counter(queue for _, queue in (*inserted.new, *inserted.updated))
        for routed, job in zip(chunk, new, strict=True):
            if job.cached_from is not None or not left[routed.route.queue]:
                continue
            left[routed.route.queue] -= 1
            if routed.spec.mode == "auto":
                self._auto[job.mode] += 1
            if routed.route.misfit is not None:
                self._misfits[routed.route.misfit] += 1

    def result(self, batch: Batch, found: Survey, invalid_file: Path | None) -> SubmitResult:
        """The result of the whole submit."""
        return SubmitResult(
            batch=batch,
            new=self._new,
            existing=self._existing,
            changed=self._changed,
            cached=self._cached,
            requeued=self.requeued,
            updated=self._updated,
            reprioritised=self._reprioritised,
            respelt=self._respelt,
            invalid=found.invalid,
            changed_rows=tuple(self._changed_rows),
            respelt_rows=tuple(self._respelt_rows.values()),
            problems=found.problems,
            invalid_file=invalid_file,
            metadata=found.metadata,
            untrained=untrained(found),
            unfamiliar=found.unfamiliar,
            auto=dict(self._auto),
            manned=self._manned,
            misfits=dict(self._misfits),
            undelivered=self.undelivered,
            reading=found.reading,
        )


def _respelt(routed: Routed, other: str) -> Problem:
    own = routed.spec.custom_id
    message = f"{shown(own)} is to some file systems the same as {shown(other)} of this batch"
    return Problem(routed.line, "id", message, f"write it as {shown(other)}, or choose another id")
