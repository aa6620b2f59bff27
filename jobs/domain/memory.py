"""Estimates of a job's device memory, and the memory classes that queues are named after.

The estimate follows the published measurements (docs/cards.md): weights and the pinned loader
buffer are constant, the flow trajectory buffer grows with the square of the sequence length, and
the attention cache grows with the length.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.domain.spec import MAX_FRAMES

GB = 10**9
GIB = 2**30

#: Takes the place of the mode in the queue of jobs whose text must be encoded: `hymo.encode.20`.
ENCODE = "encode"

#: The memory classes, GiB. Steps are small where the memory of small cards differs.
LADDER_GIB: tuple[int, ...] = (
    1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 144, 192, 256, 384, 512,
)  # fmt: skip


@dataclass(frozen=True)
class MemoryProfile:
    """Device memory of one model by part, in bytes.

    Attributes:
        weights: parameters, and everything else that stays resident.
        trajectory: flow trajectory buffer of one motion of 100 frames; grows with frames².
        attention: attention keys and values of one motion of 100 frames; grow with frames.
        loader: pinned host-to-device buffers.
    """

    weights: int
    trajectory: int
    attention: int
    loader: int

    def motion(self, frames: int) -> int:
        """Bytes that each motion of `frames` frames adds to a pack."""
        length = frames / 100
        return round(self.trajectory * length**2 + self.attention * length)

    def need(self, frames: int, pack: int = 1) -> int:
        """Total bytes for a pack of `pack` motions of `frames` frames."""
        return self.weights + self.loader + pack * self.motion(frames)

    def pack_limit(self, gib: int, budget: int) -> int:
        """The largest number of motions of a class that fit in `budget` bytes together.

        Each motion is assumed to be the longest that its class of `gib` GiB allows: the classes of
        small motions are far apart. A class that the longest motion of all does not need was raised
        after a motion ran out of memory alone, and each motion may take all of it. The result is at
        least 1, since the class itself was admitted.
        """
        fixed = self.weights + self.loader
        longest = max(1, gib * GIB - fixed)
        if gib <= class_gib(self.need(MAX_FRAMES)):
            longest = min(longest, self.motion(MAX_FRAMES))
        return max(1, (budget - fixed) // longest)


def class_gib(need: int) -> int:
    """The smallest class (GiB) that holds `need` bytes; above the largest, rounded up to GiB."""
    for step in LADDER_GIB:
        if need <= step * GIB:
            return step
    return -(-need // GIB)


def next_class(gib: int) -> int:
    """The class above `gib`, for a job that ran out of memory although it ran alone."""
    return next((step for step in LADDER_GIB if step > gib), gib * 2)


def classes_within(budget: int) -> tuple[int, ...]:
    """The classes that fit in `budget` bytes, largest first."""
    return tuple(step for step in reversed(LADDER_GIB) if step * GIB <= budget)


def queue_name(mode: str, gib: int) -> str:
    """The queue of a class, e.g. `hymo.full.24`."""
    return f"hymo.{mode}.{gib}"
