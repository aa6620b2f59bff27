"""Atomic writes: a file appears under its name complete, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.artifacts.temporary import temporary_path
from jobs.errors import OutputError


@contextmanager
def atomic(final: Path) -> Iterator[Path]:
    """A temporary path beside `final`, renamed to `final` when the block succeeds.

    The block creates the file with mode `x`: what is there under that name, also a link, is not
    ours. The folder is created. If the block raises, the temporary file is removed. `final` is left
    unchanged then, and also if the block writes no temporary file.

    Raises:
        OSError: the file system failed.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_path(final)
    try:
        yield part
        if part.exists():
            part.replace(final)
    finally:
        # A read-only file system refuses to remove even what is not there.
        if part.exists():
            part.unlink(missing_ok=True)


@contextmanager
def output(final: Path) -> Iterator[Path]:
    """`atomic` for a file named by the user.

    Raises:
        OutputError: the file system failed, or the block raised an OSError.
    """
    try:
        with atomic(final) as part:
            yield part
    except OSError as error:
        raise OutputError(final, error) from error
