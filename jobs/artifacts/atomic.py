"""Atomic writing: a file appears under its name whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.artifacts.temporary import temporary_path
from jobs.errors import OutputError


@contextmanager
def atomic(final: Path) -> Iterator[Path]:
    """A temporary path beside `final`, renamed to `final` when the block ends well.

    The folder is made. When the block raises, the temporary file is removed and what was at
    `final` stays; so it does when the block leaves no file at the temporary path.

    Raises:
        OSError: of the file system, and whatever the block raises.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    part = temporary_path(final)
    try:
        yield part
        if part.exists():
            part.replace(final)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def output(final: Path) -> Iterator[Path]:
    """`atomic` for a file that a person named.

    Raises:
        OutputError: naming the file and the mend, for an OSError in the block as well.
    """
    try:
        with atomic(final) as part:
            yield part
    except OSError as error:
        raise OutputError(final, error) from error
