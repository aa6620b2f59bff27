"""Motions by the names people give: batches and jobs, folders of `.npz`, single files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.domain.spec import stem
from worker.results.reading import NoMotionError, read_motion

if TYPE_CHECKING:
    from hymotion import Motion
    from jobs.store.store import Store

SUFFIX = ".npz"


class Recordings:
    """The motions that names mean, read one at a time.

    A name that is a file or a folder on disk means that; any other is a job or a batch. Motions
    are called by their path without `.npz`, that of a folder's relative to it, and those of jobs
    as their files are, with the batch before it.

    Args:
        names: at least one.
        store: opens the store, which is wanted only for names of jobs.

    Attributes:
        problems: what could not be read, a sentence each; filled while motions are read.
    """

    def __init__(
        self, names: Sequence[str], *, store: Callable[[], AbstractContextManager[Store]]
    ) -> None:
        self._store = store
        self._names = tuple(dict.fromkeys(names))
        self.problems: list[str] = []

    def motions(self) -> Iterator[tuple[str, Motion]]:
        """Names and motions; what cannot be read is noted in `problems`.

        Raises:
            NotFoundError: a name means nothing.
        """
        queued = [name for name in self._names if not Path(name).exists()]
        seen: set[str] = set()
        for name, motion in self._all(queued):
            # The same folder may be named twice, or two folders hold files of one name.
            called, number = name, 1
            while called in seen:
                number += 1
                called = f"{name} ({number})"
            seen.add(called)
            yield called, motion

    def _all(self, queued: Sequence[str]) -> Iterator[tuple[str, Motion]]:
        if queued:
            yield from self._jobs(queued)
        for name in self._names:
            path = Path(name)
            if path.is_dir():
                files = sorted(each for each in path.rglob(f"*{SUFFIX}") if each.is_file())
                for each in files:
                    yield from self._file(each, str(each.relative_to(path).with_suffix("")))
            elif path.exists():
                yield from self._file(path, str(path.with_suffix("")))

    def _jobs(self, names: Sequence[str]) -> Iterator[tuple[str, Motion]]:
        from worker.results.selection import Chosen

        with self._store() as store:
            for job in Chosen(store, names).jobs():
                try:
                    motion = read_motion(job).motion
                except NoMotionError as error:
                    self.problems.append(str(error))
                    continue
                yield f"{job.batch}/{stem(job.custom_id, job.seed)}", motion

    def _file(self, path: Path, name: str) -> Iterator[tuple[str, Motion]]:
        from hymotion.errors import MotionFileError
        from hymotion.export import read_npz

        try:
            motion = read_npz(path).motion
        except MotionFileError as error:
            self.problems.append(str(error))
            return
        yield name, motion


def partner_in(folder: Path, problems: list[str]) -> Callable[[str], Motion | None]:
    """Gives the motion of a name in a folder: at the same path below it, or else its file name.

    Args:
        folder: of the partners.
        problems: gets a sentence for a file that is there and is no motion; there is no partner
            then.
    """

    def partner(name: str) -> Motion | None:
        from hymotion.errors import MotionFileError
        from hymotion.export import read_npz

        for place in (folder / f"{name}{SUFFIX}", folder / f"{Path(name).name}{SUFFIX}"):
            if place.is_file():
                try:
                    return read_npz(place).motion
                except MotionFileError as error:
                    problems.append(str(error))
                    return None
        return None

    return partner
