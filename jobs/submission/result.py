"""What a submit did: counted chunk by chunk, told as one result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobs.domain.batches import Batch, Inserted, NewJob
from jobs.errors import UnreachableError
from jobs.promptfile.problem import Problem
from jobs.promptfile.survey import Survey
from jobs.rewriting.report import RewriteReport
from jobs.submission.router import Routed, untrained
from jobs.verbs.unfamiliar import Unfamiliar

#: How many changed rows a result names.
NAMED = 5


@dataclass(frozen=True)
class SubmitResult:
    """What a submit did.

    Attributes:
        batch: the batch as stored.
        new: jobs queued.
        existing: jobs that were there already, asking for the same.
        changed: jobs that are there asking for something else; left as they are.
        cached: jobs that succeeded at once, with the files of an earlier job.
        requeued: existing jobs that had succeeded and lost their files: queued again.
        invalid: rows left out.
        changed_rows: (id, seed) of the first few changed ones.
        problems: the first problems of the rows left out.
        invalid_file: where these rows were written, if there are any.
        metadata: the columns kept as metadata.
        untrained: models that the file asks for that are engines of tests.
        unfamiliar: what prompts ask for that their model has never seen.
        auto: mode → how many of the new jobs that asked for `auto` got it.
        manned: whether any worker was live, declared or about to start.
        misfits: why no live worker takes a new job → how many there are.
        undelivered: why the broker could not be told; delivery follows by the reconciler.
        rewrites: what became of asking a rewriter; None where none was asked.
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


class SubmitCount:
    """What a submit has done so far.

    Args:
        manned: whether there is any worker to plan for.
    """

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

        The store says how many jobs of a queue were new, not which: in a chunk that was partly
        there already, the first ones of each queue stand for them.
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
        """Everything together."""
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
        )
