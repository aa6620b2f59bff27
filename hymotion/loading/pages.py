"""Giving back the memory of a mapped file as it is read.

Pages of a mapping stay in the process once they were looked at, so reading all of a mapped file
would show its whole size as resident. They are clean and can go at any time.
"""

import ctypes
import mmap
from collections.abc import Callable, Iterable
from pathlib import Path

Release = Callable[[int, int], None]
"""Called with (address, bytes) of what was read and is not wanted any more."""

MAPS = Path("/proc/self/maps")


def release_of(files: Iterable[Path]) -> Release:
    """What gives back pages of these files' mappings, and touches no other memory.

    Elsewhere than on Linux it does nothing, and the memory is the system's to reclaim.
    """
    regions = _regions({str(path.resolve()) for path in files})
    if not regions:
        return lambda _address, _bytes: None
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]

    def release(address: int, size: int) -> None:
        # Outward to whole pages: those beside are mapped from the same file and come back.
        first = address // mmap.PAGESIZE * mmap.PAGESIZE
        last = -(-(address + size) // mmap.PAGESIZE) * mmap.PAGESIZE
        for start, end in regions:
            # Never outside: advice of this kind empties memory that no file stands behind.
            if start <= address and address + size <= end:
                madvise(first, min(last, end) - first, mmap.MADV_DONTNEED)

    return release


def _regions(names: set[str]) -> list[tuple[int, int]]:
    if not MAPS.is_file():
        return []
    found = []
    for line in MAPS.read_text("utf-8", "surrogateescape").splitlines():
        place, _, rest = line.partition(" ")
        # address perms offset dev inode path
        path = rest.split(maxsplit=4)[4:]
        if path and path[0] in names:
            start, _, end = place.partition("-")
            found.append((int(start, 16), int(end, 16)))
    return found
