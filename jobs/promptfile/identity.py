"""Detection of rows with the same id and seed."""

from __future__ import annotations

import hashlib
from bisect import bisect_right

from jobs.domain.names import fold


class Identities:
    """The (id, seed) pairs of a file so far.

    Ids are compared as file systems may compare them (`jobs.domain.names.fold`), and stored as
    hashes, so that the memory per row does not depend on the length of the id.
    """

    def __init__(self) -> None:
        # Digest of the folded id → disjoint (first seed, last seed, line), sorted.
        self._ranges: dict[bytes, list[tuple[int, int, int]]] = {}

    def claim(self, custom_id: str, seed: int, seeds: int, line: int) -> int | None:
        """Claim `seeds` consecutive seeds from `seed` for an id.

        Returns:
            None if all of them were free; else the line of a row that already has one of them.
        """
        key = hashlib.blake2b(fold(custom_id).encode(), digest_size=16).digest()
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
