"""The numerics guard: detects a broken velocity early without stalling the GPU.

It checks only the largest |v| of each sample. On a GPU this is copied to pinned memory
asynchronously and read once it has arrived, at most `LAG` steps later, so that the host keeps
the GPU's queue filled. On the CPU it is read at once.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hymotion.errors import NumericsError

LAG = 2
"""The largest number of steps between a bad velocity and its detection."""

EXPLODING = 1000.0
"""A velocity with |v| above this, times the guidance scale if that is above 1, counts as exploding.

The flow's velocity is motion minus noise, both of standard deviation 1. The trained models here
stay below 15 times the scale, up to 100, the largest allowed; a random network of the published
architecture stays below 5. At |v| = 1000, one step of 50 moves a value by 20 standard deviations.
float16 ends at 65 504. The wide margin is deliberate: a false alarm makes a motion be sampled
again, while a real failure exceeds it within a step or two.
"""


class Parcel(Protocol):
    """Values being copied to the host."""

    def ready(self) -> bool:
        """Whether the copy is complete."""

    def read(self) -> list[float]:
        """Wait for the copy and return the values."""


Send = Callable[[Tensor], Parcel]
"""Starts copying values (B,) to the host; must not block."""


@dataclass(frozen=True, eq=False)
class _Copy:
    """Values in host memory, complete once the event has occurred, or at once without an event."""

    numbers: Tensor
    event: torch.cuda.Event | None = None

    def ready(self) -> bool:
        return self.event is None or bool(self.event.query())  # type: ignore[no-untyped-call]  # torch's stubs

    def read(self) -> list[float]:
        if self.event is not None:
            self.event.synchronize()
        return [float(number) for number in self.numbers.tolist()]


def send_to_host(numbers: Tensor) -> Parcel:
    """Copy values (B,) from any device to the host; does not block for a GPU."""
    if numbers.device.type != "cuda":
        return _Copy(numbers)
    pinned = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    pinned.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's stubs
    event.record(torch.cuda.current_stream(numbers.device))
    return _Copy(pinned, event)


def peaks(velocity: Tensor, valid: Tensor | None = None) -> Tensor:
    """The largest |v| of each sample (B,) of a velocity (B, L, 201); NaN where one is NaN.

    Args:
        velocity: of B samples.
        valid: (B, L), true for valid frames; padding frames are ignored. None: all are valid.
    """
    # The infinity norm is one kernel; abs() and amax() need two and an intermediate tensor.
    norms: Tensor = torch.linalg.vector_norm(velocity, math.inf, dim=(1, 2) if valid is None else 2)
    return norms if valid is None else norms.masked_fill(~valid, 0.0).amax(1)


class Guard:
    """Checks the velocities of one solver run.

    Args:
        total: number of steps of the run.
        limits: for each sample of the pack, the |v| above which it counts as exploding.
        valid: (B, L), true for valid frames; None: all are valid.
        send: copies values to the host.
    """

    def __init__(
        self,
        *,
        total: int,
        limits: tuple[float, ...],
        valid: Tensor | None = None,
        send: Send = send_to_host,
    ) -> None:
        self._total = total
        self._limits = limits
        self._valid = valid
        self._send = send
        self._waiting: deque[tuple[int, Parcel]] = deque()

    def look(self, step: int, velocity: Tensor) -> None:
        """Check the velocity (B, L, 201) of a step, counted from 1.

        Raises:
            NumericsError: this velocity, or that of one of the `LAG` steps before, is broken.
        """
        self._waiting.append((step, self._send(peaks(velocity, self._valid))))
        while self._waiting:
            sent, parcel = self._waiting[0]
            if sent > step - LAG and not parcel.ready():
                return
            self._judge()

    def close(self) -> None:
        """Check all velocities that are still pending, at the end of the run.

        Raises:
            NumericsError: a pending velocity is broken.
        """
        while self._waiting:
            self._judge()

    def _judge(self) -> None:
        """Check the oldest values and, if they are broken, all later ones too."""
        step, parcel = self._waiting.popleft()
        broken = self._broken(parcel)
        if not broken:
            return
        # Report every broken sample now, so that the caller can sample the rest again safely.
        for _, later in self._waiting:
            broken = self._broken(later) | broken
        self._waiting.clear()
        raise NumericsError(
            step=step, total=self._total, indices=sorted(broken), peaks=dict(sorted(broken.items()))
        )

    def _broken(self, parcel: Parcel) -> dict[int, float]:
        numbers = enumerate(zip(parcel.read(), self._limits, strict=True))
        # `not <=` rather than `>`, so that NaN counts as broken.
        return {index: peak for index, (peak, limit) in numbers if not peak <= limit}
