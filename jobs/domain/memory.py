"""What a job needs in device memory, and the ladder of classes that its queue is named after.

The estimate has the form of the published measurements (docs/cards.md): weights are constant, the
flow trajectory buffer grows with the square of the sequence length, the attention cache with the
length, and a pinned loader buffer is constant.
"""

from __future__ import annotations

from dataclasses import dataclass

GB = 10**9
GIB = 2**30

#: What stands for the mode in the queues of jobs whose text is to be encoded: `hymo.encode.20`.
ENCODE = "encode"

#: Steps of the class ladder, GiB. Fine where small cards differ, coarse where large ones do not.
LADDER_GIB: tuple[int, ...] = (
    1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 144, 192, 256, 384, 512,
)  # fmt: skip


@dataclass(frozen=True)
class MemoryProfile:
    """The parts of one model's device memory, in bytes.

    Attributes:
        weights: parameters and whatever else stays resident whatever the jobs are.
        trajectory: flow trajectory buffer of one motion of 100 frames; grows with frames².
        attention: attention keys and values of one motion of 100 frames; grows with frames.
        loader: pinned host-to-device buffers.
    """

    weights: int
    trajectory: int
    attention: int
    loader: int

    def motion(self, frames: int) -> int:
        """Bytes that one more motion of `frames` frames adds to a pack."""
        length = frames / 100
        return round(self.trajectory * length**2 + self.attention * length)

    def need(self, frames: int, pack: int = 1) -> int:
        """Bytes that a pack of `pack` motions of `frames` frames needs in all."""
        return self.weights + self.loader + pack * self.motion(frames)

    def pack_limit(self, gib: int, budget: int) -> int:
        """The most motions of a class that fit `budget` bytes together.

        Each is taken to be as long as its class of `gib` GiB holds; a pack of one always goes,
        since its class was admitted.
        """
        fixed = self.weights + self.loader
        longest = max(1, gib * GIB - fixed)
        return max(1, (budget - fixed) // longest)


def class_gib(need: int) -> int:
    """The ladder step (GiB) that holds `need` bytes; above the ladder, whole GiB rounded up."""
    for step in LADDER_GIB:
        if need <= step * GIB:
            return step
    return -(-need // GIB)


def next_class(gib: int) -> int:
    """The step above `gib`: where a job goes that ran out of memory alone in its class."""
    return next((step for step in LADDER_GIB if step > gib), gib * 2)


def classes_within(budget: int) -> tuple[int, ...]:
    """The ladder steps that `budget` bytes can hold, biggest first."""
    return tuple(step for step in reversed(LADDER_GIB) if step * GIB <= budget)


def queue_name(mode: str, gib: int) -> str:
    """The queue of a class, e.g. `hymo.full.24`."""
    return f"hymo.{mode}.{gib}"
