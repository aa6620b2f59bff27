"""Rules for row ids and batch names, which become file names, and detection of duplicates."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right

MAX_NAME = 100
#: The rule in words, for messages.
RULE = (
    f"use 1 to {MAX_NAME} of A-Z a-z 0-9 . _ - beginning with a letter, digit or _ "
    "and not ending with a dot"
)

_SAFE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
_UNSAFE_RUN = re.compile(r"[^A-Za-z0-9._-]+")
#: Names that Windows reserves for devices, with any extension.
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in range(10)]
)


def fault(name: str) -> str | None:
    """Why `name` is not a valid row id or batch name; None if it is valid."""
    if len(name) > MAX_NAME:
        return f"is {len(name)} characters long"
    if not _SAFE.fullmatch(name):
        return "is not safe as a file name"
    if name.split(".", 1)[0].lower() in _RESERVED:
        return "is a reserved name on some systems"
    return None


def safe_name(text: str) -> str:
    """`text` made into a valid name; used for the default batch name of a file."""
    name = _UNSAFE_RUN.sub("-", text).lstrip(".-")[:MAX_NAME].rstrip(".-")
    if not name:
        return "batch"
    return name if fault(name) is None else f"batch-{name}"[:MAX_NAME].rstrip(".")


class Identities:
    """The (id, seed) pairs of a file so far.

    Ids are case-insensitive, since some file systems are, and stored as hashes, so that the memory
    per row does not depend on the length of the id.
    """

    def __init__(self) -> None:
        # Digest of the lower-case id → disjoint (first seed, last seed, line), sorted.
        self._ranges: dict[bytes, list[tuple[int, int, int]]] = {}

    def claim(self, custom_id: str, seed: int, seeds: int, line: int) -> int | None:
        """Claim `seeds` consecutive seeds from `seed` for an id.

        Returns:
            None if all of them were free; else the line of a row that already has one of them.
        """
        key = hashlib.blake2b(custom_id.lower().encode(), digest_size=16).digest()
        last = seed + seeds - 1
        taken = self._ranges.get(key)
        if taken is None:
            self._ranges[key] = [(seed, last, line)]
            return None
        place = bisect_right(taken, (seed, last, line))
        for first_taken, last_taken, holder in taken[max(0, place - 1) : place + 1]:
            if first_taken <= last and seed <= last_taken:
                return holder
        taken.insert(place, (seed, last, line))
        return None
