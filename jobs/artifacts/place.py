"""Where the files of a job may be: below the folder of its batch, which is below its output folder.

Output folders, names and formats come from rows of the database, which others than this program may
have written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from jobs.domain.spec import FORMATS, stem
from jobs.errors import JobsError


class PlaceError(JobsError):
    """A row of the database names a file that its job may not have."""

    def __init__(self, what: str, value: str, fault: str) -> None:
        super().__init__(f"{what} {value!r} in the database {fault}: nothing is written")
        self.value = value


def batch_folder(output: str, batch: str) -> Path:
    """The folder of a batch; raises `PlaceError`."""
    if not Path(output).is_absolute():
        raise PlaceError("output folder", output, "is not a complete path")
    return Path(output) / file_name("batch name", batch)


def job_file(output: str, batch: str, custom_id: str, seed: int, format_: str) -> Path:
    """`<output>/<batch>/<id>_s<seed>.<format>`; raises `PlaceError`."""
    if format_ not in FORMATS:
        raise PlaceError("format", format_, f"is none of {', '.join(FORMATS)}")
    name = f"{stem(custom_id, seed)}.{format_}"
    return batch_folder(output, batch) / file_name("name", name)


def file_name(what: str, name: str) -> str:
    """The name, if it is that of a file in the same folder; raises `PlaceError`.

    Ids of earlier versions are accepted, though not all of them are valid today.
    """
    if name in {"", ".", ".."} or any(mark in name for mark in "/\\\0"):
        raise PlaceError(what, name, "is not the name of a file")
    return name


def is_named_below(path: Path, roots: Sequence[Path]) -> bool:
    """Whether a path is one of these folders or below one, by its name; so is every path if there
    are none."""
    named = Path(os.path.normpath(path))
    return not roots or any(named.is_relative_to(root) for root in roots)


def is_below(path: Path, roots: Sequence[Path]) -> bool:
    """Whether a path is one of these folders or below one, by its name and after following links.

    A path with another name is not touched: it may be on a share that does not answer.
    """
    if not roots or not is_named_below(path, roots):
        return not roots
    real = Path(os.path.realpath(path))
    return any(real.is_relative_to(os.path.realpath(root)) for root in roots)


def leads_out(folder: Path, root: Path) -> bool:
    """Whether links on the way from `root` to a folder below it lead anywhere else."""
    expected = Path(os.path.realpath(root)) / folder.relative_to(root)
    return Path(os.path.realpath(folder)) != expected
