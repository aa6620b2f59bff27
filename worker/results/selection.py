"""Selects the jobs that names refer to, and the folders for files made from their motions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.artifacts.manifest import NAME as MANIFEST
from jobs.artifacts.place import batch_folder, file_name, leads_out
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
    """The jobs that names refer to: each named job, and the finished jobs of each named batch.

    Args:
        store: must stay open while `jobs` is read.
        names: names for `jobs.naming.find`.

    Raises:
        NotFoundError: a name does not exist.
        ConflictError: a batch has no motion yet.
    """

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self._store = store
        meant = [find(store, name) for name in dict.fromkeys(names)]
        # `night` and `night/` are the same batch, `7` and `night/wave` may be the same job.
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
                    f"`hymo watch {batch.name}` waits for it, `hymo show {batch.name}` shows more",
                )
        self.undone = sum(sum(count.values()) - count[State.SUCCEEDED] for count in counts)
        whole = {batch.name for batch in self.batches}
        beside = sum(
            job.batch not in whole or job.state is not State.SUCCEEDED for job in self._jobs
        )
        self.most = beside + sum(count[State.SUCCEEDED] for count in counts)

    def jobs(self) -> Iterator[JobRow]:
        """Yield each job once, with its files; batches are read in pages."""
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
    """The folders for files made from motions.

    Args:
        store: the open store.
        out: the folder for all files; None: a folder `kind` beside the motions of each batch.
        kind: the kind of files, such as "export".
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
            folder = batch_folder(batch.output, batch.name) / self.kind
            if leads_out(folder, Path(batch.output)):
                raise ConflictError(str(folder), "reached through a link", "name one with --out")
            self._of_batch[name] = folder
        return self._of_batch[name]

    def of_job(self, job: JobRow, extension: str) -> Path:
        """The file of a job: `<id>_s<seed><extension>`.

        Raises:
            PlaceError: the name is not that of a file.
            ConflictError: the file belongs to another job of this command, or is in the folder of
                a batch's motions.
        """
        folder = self.of_batch(job.batch)
        path = folder / file_name("name", f"{stem(job.custom_id, job.seed)}{extension}")
        own = {Path(artifact.path).resolve() for artifact in job.artifacts}
        if path.resolve() in own or (folder / MANIFEST).exists():
            raise ConflictError(
                str(folder), "the folder of a batch's motions", "choose another folder with --out"
            )
        if self._taken.setdefault(path, job.id) != job.id:
            raise ConflictError(
                str(path),
                f"the file name of both job {self._taken[path]} and job {job.id}",
                "give each batch its own --out folder",
            )
        return path
