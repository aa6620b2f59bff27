"""The head of a safetensors file: what it holds, and whether it is whole. Needs no torch."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hymotion.importing.errors import SourceError
from hymotion.loading.checkpoint import LFS_POINTER

COUNT = 8
"""Bytes at the start of a file that say how long its header is."""

MOST = 100 * 2**20
"""The longest header that the format allows."""

FETCH = "Fetch the file again and compare its size with the published one"


@dataclass(frozen=True)
class Entry:
    """A tensor of a file.

    Attributes:
        kind: its type as the format names it.
        shape: of it.
        start, size: where its bytes begin in the file, and how many there are.
    """

    kind: str
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    Attributes:
        entries: name → tensor.
        bytes: size of the whole file.
    """

    entries: Mapping[str, Entry]
    bytes: int


def read_header(path: Path) -> Header:
    """Read a file's header and compare the size it promises with the file's.

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
    if len(text) < length:
        raise _cut(path, COUNT + length, size)
    entries = _entries(path, text)
    end = max((entry.start + entry.size for entry in entries.values()), default=COUNT + length)
    if size != end:
        raise _cut(path, end, size)
    return Header(entries, size)


def check_file(path: Path) -> None:
    """Refuse what is absent, empty, a Git LFS pointer or a page of the web.

    Raises:
        SourceError: saying which.
    """
    if not path.is_file():
        dangling = "it is a link to nothing" if path.is_symlink() else "it is missing"
        raise SourceError(dangling, mend="Download it where it should be", path=path)
    with path.open("rb") as file:
        head = file.read(len(LFS_POINTER))
    if head == LFS_POINTER:
        raise SourceError(
            "it is a Git LFS pointer, not the file itself",
            mend="Run `git lfs pull` in the folder it came from, or download the file itself",
            path=path,
        )
    if not head:
        raise SourceError("it is empty", mend=FETCH, path=path)
    if head.lstrip()[:5].lower() in {b"<!doc", b"<html"}:
        raise SourceError(
            "it is a page of the web, not the file itself",
            mend="Log in or accept the publisher's licence, then download the file again",
            path=path,
        )


def _entries(path: Path, text: bytes) -> dict[str, Entry]:
    first = COUNT + len(text)
    try:
        table = json.loads(text)
        return {
            name: Entry(
                kind=str(entry["dtype"]),
                shape=tuple(map(int, entry["shape"])),
                start=first + int(entry["data_offsets"][0]),
                size=int(entry["data_offsets"][1]) - int(entry["data_offsets"][0]),
            )
            for name, entry in table.items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        problem = "it is no safetensors file: its header cannot be read"
        raise SourceError(problem, mend=FETCH, path=path) from error


def _cut(path: Path, wanted: int, size: int) -> SourceError:
    what = "cut short" if size < wanted else "too long"
    return SourceError(
        f"it is {what}: {size:,} bytes, and its header promises {wanted:,}", mend=FETCH, path=path
    )
