"""Detection of rows with the same id and seed."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import NamedTuple

from jobs.domain.names import fold


class Holder(NamedTuple):
    """The row that has an (id, seed) pair.

    Attributes:
        line: its line.
        respelt: whether its id differs from the one asked for, in case or in Unicode form.
    """

    line: int
    respelt: bool


class Identities:
    """The (id, seed) pairs of a file so far.

    Ids are compared as file systems may compare them (`jobs.domain.names.fold`), and stored as
    hashes, so that the memory per row does not depend on the length of the id.
    """

    def __init__(self) -> None:
        # Digest of the folded id → disjoint (first seed, last seed, line, spelling), sorted. The
        # spelling is 0 for an id that is its own folded form, which needs no memory, else its hash.
        self._ranges: dict[bytes, list[tuple[int, int, int, int]]] = {}

    def claim(self, custom_id: str, seed: int, seeds: int, line: int) -> Holder | None:
        """Claim `seeds` consecutive seeds from `seed` for an id.

        Returns:
            None if all of them were free; else a row that already has one of them.
        """
        folded = fold(custom_id)
        key = hashlib.blake2b(folded.encode(), digest_size=16).digest()
        spelling = 0 if custom_id == folded else hash(custom_id)
        last = seed + seeds - 1
        taken = self._ranges.get(key)
        if taken is None:
            self._ranges[key] = [(seed, last, line, spelling)]
            return None
        mine = (seed, last, line, spelling)
        place = bisect_right(taken, mine)
        for first_taken, last_taken, holder, theirs in taken[max(0, place - 1) : place + 1]:
            if first_taken <= last and seed <= last_taken:
                return Holder(holder, respelt=theirs != spelling)
        taken.insert(place, mine)
        return None
