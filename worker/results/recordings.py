"""Reads motions by name: batches, jobs, folders of `.npz` files, single files."""

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
    """Reads the motions that names refer to, one at a time.

    A name that exists on disk refers to that file or folder, any other to a job or a batch. A
    motion from disk is named by its path without `.npz`, relative to its folder if that was named;
    a motion of a job by its batch and file name.

    Args:
        names: at least one name.
        store: opens the store; called only if a name refers to a job or a batch.

    Attributes:
        problems: a sentence for each motion that could not be read; filled while reading.
    """

    def __init__(
        self, names: Sequence[str], *, store: Callable[[], AbstractContextManager[Store]]
    ) -> None:
        self._store = store
        self._names = tuple(dict.fromkeys(names))
        self.problems: list[str] = []

    def motions(self) -> Iterator[tuple[str, Motion]]:
        """Yield names and motions. Motions that cannot be read are added to `problems`.

        Raises:
            NotFoundError: a name does not exist.
        """
        queued = [name for name in self._names if not Path(name).exists()]
        seen: set[str] = set()
        for name, motion in self._all(queued):
            # The same folder may be given twice, or two folders may have files of the same name.
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
        motion = _read(path, self.problems)
        if motion is not None:
            yield name, motion


def partner_in(folder: Path, problems: list[str]) -> Callable[[str], Motion | None]:
    """Return a function that finds a motion's partner in a folder: by path, else by file name.

    Args:
        folder: the folder of the partners.
        problems: receives a sentence for each file that is not a motion; such a motion has no
            partner.
    """

    def partner(name: str) -> Motion | None:
        for place in (folder / f"{name}{SUFFIX}", folder / f"{Path(name).name}{SUFFIX}"):
            if place.is_file():
                return _read(place, problems)
        return None

    return partner


def _read(path: Path, problems: list[str]) -> Motion | None:
    from hymotion.errors import MotionFileError
    from hymotion.export import read_npz

    try:
        return read_npz(path).motion
    except MotionFileError as error:
        problems.append(str(error))
        return None
