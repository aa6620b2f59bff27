"""Jobs as people named them for their motions, and where files made of those go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.artifacts.manifest import NAME as MANIFEST
from jobs.domain.spec import stem
from jobs.domain.states import State
from jobs.errors import ConflictError
from jobs.naming import find
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.order import Order

if TYPE_CHECKING:
    from jobs.domain.batches import Batch
    from jobs.store.history.jobrow import JobRow
    from jobs.store.store import Store


class Chosen:
    """The jobs that names mean: every one named, and of a batch those that are done.

    Args:
        store: open for as long as `jobs` is read.
        names: as `jobs.naming.find` takes them.

    Raises:
        NotFoundError: a name means nothing.
        ConflictError: a batch has no motion yet.
    """

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self._store = store
        meant = [find(store, name) for name in dict.fromkeys(names)]
        # `night` and `night/` are one batch, `7` and `night/wave` may be one job.
        batches = {m.id: m for m in meant if not isinstance(m, tuple)}
        jobs = {job.id: job for m in meant if isinstance(m, tuple) for job in m}
        self.batches: tuple[Batch, ...] = tuple(batches.values())
        self._jobs = tuple(jobs.values())
        counts = [store.batches.counts(batch.id) for batch in self.batches]
        for batch, count in zip(self.batches, counts, strict=True):
            if not count.get(State.SUCCEEDED):
                raise ConflictError(
                    f"batch {batch.name}",
                    "without any motion yet",
                    f"`hymo watch {batch.name}` waits for it, `hymo show {batch.name}` tells more",
                )
        self.undone = sum(sum(count.values()) - count[State.SUCCEEDED] for count in counts)
        whole = {batch.name for batch in self.batches}
        beside = sum(
            job.batch not in whole or job.state is not State.SUCCEEDED for job in self._jobs
        )
        self.most = beside + sum(count[State.SUCCEEDED] for count in counts)

    def jobs(self) -> Iterator[JobRow]:
        """Each job once, with its files, a page of a batch at a time."""
        seen = {job.id for job in self._jobs}
        yield from self._jobs
        for batch in self.batches:
            wanted = JobFilter(batch_id=batch.id, states=(State.SUCCEEDED,))
            for page in self._store.history.pages(wanted, Order("id", descending=False)):
                for job in page.rows:
                    if job.id not in seen:
                        yield job


@dataclass
class Folders:
    """Where files made of jobs go.

    Args:
        store: open.
        out: the folder for all of them; None: one named `kind` beside the motions of the batch.
        kind: what is made.
    """

    store: Store
    out: Path | None
    kind: str
    _of_batch: dict[str, Path] = field(default_factory=dict)
    _taken: dict[Path, int] = field(default_factory=dict)

    def of_batch(self, name: str) -> Path:
        """The folder for files of a batch."""
        if self.out is not None:
            return self.out
        if name not in self._of_batch:
            batch = self.store.batches.get(name)
            self._of_batch[name] = Path(batch.output) / batch.name / self.kind
        return self._of_batch[name]

    def of_job(self, job: JobRow, extension: str) -> Path:
        """The file of a job: `<id>_s<seed><extension>`.

        Raises:
            ConflictError: another job of this call has the file already, or it is among the
                motions that the queue keeps account of.
        """
        folder = self.of_batch(job.batch)
        path = folder / f"{stem(job.custom_id, job.seed)}{extension}"
        own = {Path(artifact.path).resolve() for artifact in job.artifacts}
        if path.resolve() in own or (folder / MANIFEST).exists():
            raise ConflictError(
                str(folder), "where a batch keeps its motions", "name another folder with --out"
            )
        if self._taken.setdefault(path, job.id) != job.id:
            raise ConflictError(
                str(path),
                f"the name of job {self._taken[path]}'s file and of job {job.id}'s",
                "give each batch an --out of its own",
            )
        return path
