"""Loading that no job has been charged with yet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Owed:
    """Seconds of loading, and how many models were loaded in them."""

    seconds: float = 0.0
    loads: int = 0

    def __add__(self, other: Owed) -> Owed:
        return Owed(self.seconds + other.seconds, self.loads + other.loads)
