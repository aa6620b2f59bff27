"""The result of a submit, counted chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.domain.batches import Batch, Inserted, NewJob
from jobs.errors import UnreachableError
from jobs.promptfile.problem import Problem
from jobs.promptfile.survey import Reading, Survey
from jobs.rewriting.report import RewriteReport
from jobs.submission.router import Routed, untrained
from jobs.verbs.unfamiliar import Unfamiliar

#: Number of changed rows that a result lists.
NAMED = 5


@dataclass(frozen=True)
class SubmitResult:
    """The result of a submit.

    Attributes:
        batch: the batch as stored.
        new: number of jobs queued.
        existing: number of jobs that already existed with the same request.
        changed: number of jobs that already existed with a different request; left unchanged.
        cached: number of jobs that succeeded at once, with copies of an earlier job's files.
        requeued: number of existing jobs queued again because their files were missing.
        invalid: number of rows left out.
        changed_rows: (id, seed) of the first changed jobs.
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
    """

    batch: Batch
    new: int
    existing: int
    changed: int
    cached: int
    requeued: int
    invalid: int
    changed_rows: tuple[tuple[str, int], ...]
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


class SubmitCount:
    """Counts what a submit does; `manned` is as in `SubmitResult`."""

    def __init__(self, *, manned: bool) -> None:
        self.done = 0
        self.requeued = 0
        self._manned = manned
        self.undelivered: UnreachableError | None = None
        self._new = self._existing = self._changed = self._cached = 0
        self._changed_rows: list[tuple[str, int]] = []
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
        self._changed_rows += inserted.changed[: NAMED - len(self._changed_rows)]
        left = Counter(queue for _, queue in inserted.new)
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
            invalid=found.invalid,
            changed_rows=tuple(self._changed_rows),
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
