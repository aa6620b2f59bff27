"""The files in a batch's folder that HyMo wrote, found by name.

Only names count that our writers give: no path of a row is used, so whoever writes to the database
reaches no file outside of batches' folders. Links and files of other names are left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from jobs.artifacts.directory import Directory, File, FileCount
from jobs.artifacts.folder import MARK
from jobs.artifacts.folder import PROBE_NAME as PROBE
from jobs.artifacts.manifest import NAME as MANIFEST
from jobs.artifacts.temporary import final_names
from jobs.domain.batches import Batch
from jobs.domain.spec import FORMATS

#: Folder in a batch's folder → extensions of the files that a job may have there. `hymo preview`
#: and `hymo export` write into the inner ones.
PLACES: Mapping[str, tuple[str, ...]] = {"": FORMATS, "preview": ("png", "gif"), "export": FORMATS}


@dataclass(frozen=True)
class _Place:
    """A folder, and its files by the name that they have or that they were to get."""

    directory: Directory
    files: dict[str, list[File]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def read(self) -> None:
        for file in self.directory.files():
            for name in {file.name, *final_names(file.name)}:
                self.files.setdefault(name, []).append(file)

    def take(self, name: str) -> Iterator[File]:
        """The file of this name and its temporary files, each only once."""
        for file in self.files.get(name, ()):
            if file.name not in self.taken:
                self.taken.add(file.name)
                yield file


class OwnFiles:
    """The files of a batch, as they were when its folder was opened; see `open`."""

    def __init__(self, batch: Batch, output: Directory, places: Mapping[str, _Place]) -> None:
        self._name = batch.name
        self._output = output
        self._places = places
        sheets = re.compile(re.escape(batch.name) + r"_sheet\d*\.png")
        drawn = places["preview"].files if "preview" in places else {}
        self._common = {
            "": (MANIFEST, PROBE, MARK),
            "preview": tuple(filter(sheets.fullmatch, drawn)),
        }

    @classmethod
    @contextmanager
    def open(cls, batch: Batch) -> Iterator[Self]:
        """Read a batch's folder.

        Raises:
            OSError: it cannot be read, or is a link.
        """
        with ExitStack() as stack:
            output = stack.enter_context(Directory.open(Path(batch.output)))
            own = stack.enter_context(output.inner(batch.name))
            places = {"": _Place(own)}
            for name in set(PLACES) & set(own.folders()):
                places[name] = _Place(stack.enter_context(own.inner(name)))
            for place in places.values():
                place.read()
            yield cls(batch, output, places)

    def count(self, stems: Iterable[str]) -> FileCount:
        """The files of these jobs, and those of the batch itself."""
        count = FileCount()
        for _, file in (*self._of(stems), *self._of_batch()):
            count.add(file)
        return count

    def remove(self, stems: Iterable[str]) -> FileCount:
        """Remove the manifest and the files of these jobs.

        The manifest goes first, since it names the others.

        Raises:
            OSError: a file cannot be removed.
        """
        return self._remove([*self._named("", [MANIFEST]), *self._of(stems)])

    def finish(self) -> tuple[FileCount, bool]:
        """Remove the files of the batch itself, and its folders if they are empty.

        The mark goes last, since without it the folder would not be recognised again.

        Returns:
            What was removed, and whether the folder is gone; it stays if other files are in it.

        Raises:
            OSError: a file cannot be removed.
        """
        removed = self._remove(self._of_batch())
        for name in filter(None, self._places):
            self._places[""].directory.rmdir(name)
        return removed, self._output.rmdir(self._name)

    def _of(self, stems: Iterable[str]) -> Iterator[tuple[Directory, File]]:
        for stem in stems:
            for place in self._places:
                yield from self._named(place, [f"{stem}.{each}" for each in PLACES[place]])

    def _of_batch(self) -> Iterator[tuple[Directory, File]]:
        for place in reversed([*self._places]):
            for found, file in self._named(place, self._common.get(place, ())):
                if file.name != PROBE:  # only its temporary files are ours
                    yield found, file

    def _named(self, place: str, names: Iterable[str]) -> Iterator[tuple[Directory, File]]:
        found = self._places[place]
        for name in names:
            for file in found.take(name):
                yield found.directory, file

    def _remove(self, found: Iterable[tuple[Directory, File]]) -> FileCount:
        count = FileCount()
        for directory, file in found:
            directory.unlink(file.name)
            count.add(file)
        return count
