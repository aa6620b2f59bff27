"""Putting files in place: written or linked, and what a full disk says."""

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path

from hymotion.importing.errors import RoomError, SourceError
from hymotion.importing.header import FETCH
from hymotion.importing.snapshot import promised_sha256
from hymotion.importing.stream import (
    FileDigest,
    OnBytes,
    digest_pieces,
    file_pieces,
    write_pieces,
)

FULL = {errno.ENOSPC, errno.EDQUOT}


def store(
    path: Path, pieces: Iterable[bytes], *, wanted: int, on_bytes: OnBytes | None
) -> FileDigest:
    """Write a file as `write_pieces` does.

    Args:
        path: of the file; its folder is made if need be.
        pieces: of it.
        wanted: bytes that it will have, for the message.
        on_bytes: told of progress.

    Raises:
        RoomError: the disk is full; what was written stays for the next try.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_pieces(path, pieces, on_bytes=on_bytes)
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = free_bytes(path.parent)
        raise RoomError(path, wanted=wanted, free=free, kept=path.parent) from error


def link(path: Path, source: Path, *, on_bytes: OnBytes | None) -> FileDigest:
    """Link to a user's file and hash it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.part").unlink(missing_ok=True)
    path.symlink_to(source.resolve())
    return digest(source, on_bytes=on_bytes)


def copy(path: Path, source: Path, *, on_bytes: OnBytes | None) -> FileDigest:
    """Copy a user's file and hash it; raises `RoomError`, `SourceError`."""
    written = store(path, file_pieces(source), wanted=source.stat().st_size, on_bytes=on_bytes)
    _check_promise(source, written)
    return written


def digest(source: Path, *, on_bytes: OnBytes | None) -> FileDigest:
    """Hash a user's file.

    Raises:
        SourceError: the hub's client says that it has another sha256.
    """
    written = digest_pieces(file_pieces(source), on_bytes=on_bytes)
    _check_promise(source, written)
    return written


def free_bytes(folder: Path) -> int:
    """Free on the disk of a folder that may not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def used_bytes(folder: Path) -> int:
    """Bytes on the disk of a folder's own files."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files)


def keep_only(folder: Path, names: Iterable[str]) -> None:
    """Remove from a folder what is not one of the files named, as an earlier run may have left."""
    wanted = {folder / name for name in names}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_symlink() or not path.is_dir():
            if path not in wanted:
                path.unlink()
        elif not any(path.iterdir()):
            path.rmdir()


def _check_promise(source: Path, written: FileDigest) -> None:
    promised = promised_sha256(source)
    if promised is not None and promised != written.sha256:
        raise SourceError(
            f"it is damaged: its sha256 is {written.sha256[:12]}…, "
            f"its publisher's {promised[:12]}…",
            mend=FETCH,
            path=source,
        )
