"""The head of a safetensors file: what it holds, and whether it is whole."""

import json
import struct
from pathlib import Path

from hymotion.importing.errors import SourceError
from hymotion.loading.checkpoint import refuse_pointer

COUNT = 8
"""Bytes at the start of a file that say how long its header is."""

MOST = 100 * 2**20
"""The longest header that the format allows."""

FETCH = "Fetch the file again and compare its size with the published one"


def read_header(path: Path) -> frozenset[str]:
    """The names of a file's tensors; the size that its header promises is the file's.

    Raises:
        SourceError: it is absent, a Git LFS pointer, no safetensors file, or cut short.
    """
    check_file(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(COUNT)
        length = struct.unpack("<Q", head)[0] if len(head) == COUNT else MOST + 1
        if length > MOST:
            raise SourceError("it is no safetensors file", mend=FETCH, path=path)
        text = file.read(length)
    first = COUNT + length
    if len(text) < length:
        raise _cut(path, first, size)
    try:
        table = json.loads(text)
        table.pop("__metadata__", None)
        end = first + max((entry["data_offsets"][1] for entry in table.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        problem = "it is no safetensors file: its header cannot be read"
        raise SourceError(problem, mend=FETCH, path=path) from error
    if size != end:
        raise _cut(path, end, size)
    return frozenset(table)


def check_file(path: Path) -> None:
    """Refuse what is absent, empty, a Git LFS pointer or a page of the web.

    Raises:
        SourceError: saying which.
    """
    if not path.is_file():
        dangling = "it is a link to nothing" if path.is_symlink() else "it is missing"
        raise SourceError(dangling, mend="Download it where it should be", path=path)
    refuse_pointer(path, SourceError)
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise SourceError("it is empty", mend=FETCH, path=path)
    if head.lstrip()[:5].lower() in {b"<!doc", b"<html"}:
        raise SourceError(
            "it is a page of the web, not the file itself",
            mend="Log in or accept the publisher's licence, then download the file again",
            path=path,
        )


def _cut(path: Path, wanted: int, size: int) -> SourceError:
    what = "cut short" if size < wanted else "too long"
    return SourceError(
        f"it is {what}: {size:,} bytes, and its header promises {wanted:,}", mend=FETCH, path=path
    )
