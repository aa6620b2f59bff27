"""The numerics guard: sees a velocity that broke soon, and never makes a GPU wait for it.

The largest |v| of each sample is all that is looked at. On a GPU it is copied to pinned memory
behind the step's own work, and read when it has arrived, at the latest `LAG` steps later; so the
host stays ahead of the GPU, whose queue never runs dry. On the CPU it is read at once.
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
"""How many steps later a bad velocity is seen at the latest."""

EXPLODING = 1000.0
"""The |v| from which a velocity counts as exploding, times the guidance scale if that is above 1.

A velocity of the flow is motion less noise, both of deviation 1: the trained models here stay below
15 at a scale of 1, and below 15 times the scale up to 100, the largest allowed; a random network of
the published kind below 5. One step of 50 with 1000 moves a number by 20 deviations. float16
itself ends at 65 504. The wide margin is meant: a false alarm costs a motion its precision,
while what really breaks passes it within a step or two.
"""


class Parcel(Protocol):
    """Numbers on their way to the host."""

    def ready(self) -> bool:
        """Whether they have arrived."""

    def read(self) -> list[float]:
        """The numbers; waits for them."""


Send = Callable[[Tensor], Parcel]
"""Sends numbers (B,) to the host; must not wait for them."""


@dataclass(frozen=True, eq=False)
class _Copy:
    """Numbers in the host's memory, complete once the event is; without one they are already."""

    numbers: Tensor
    event: torch.cuda.Event | None = None

    def ready(self) -> bool:
        return self.event is None or bool(self.event.query())  # type: ignore[no-untyped-call]  # torch's stubs

    def read(self) -> list[float]:
        if self.event is not None:
            self.event.synchronize()
        return [float(number) for number in self.numbers.tolist()]


def send_to_host(numbers: Tensor) -> Parcel:
    """Send numbers (B,) of any device to the host; from a GPU without waiting."""
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
        valid: (B, L), true where a frame is wanted; padding frames are then not looked at. None:
            all are wanted.
    """
    # The infinity norm is one kernel; abs() and amax() would be two, with a tensor between.
    norms: Tensor = torch.linalg.vector_norm(velocity, math.inf, dim=(1, 2) if valid is None else 2)
    return norms if valid is None else norms.masked_fill(~valid, 0.0).amax(1)


class Guard:
    """Looks at the velocities of one run of the solver.

    Args:
        total: how many steps the run has.
        limits: the |v| of each sample of the pack from which it counts as exploding.
        valid: (B, L), true where a frame is wanted; None: everywhere.
        send: takes numbers to the host.
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
        """Look at the velocity (B, L, 201) of a step, from 1.

        Raises:
            NumericsError: this velocity, or one of up to `LAG` steps before, is broken.
        """
        self._waiting.append((step, self._send(peaks(velocity, self._valid))))
        while self._waiting:
            sent, parcel = self._waiting[0]
            if sent > step - LAG and not parcel.ready():
                return
            self._judge()

    def close(self) -> None:
        """Wait for what is on its way, at the end of the run.

        Raises:
            NumericsError: a velocity of the last steps is broken.
        """
        while self._waiting:
            self._judge()

    def _judge(self) -> None:
        """Judge the oldest numbers, and if they are bad all that were sent after them."""
        step, parcel = self._waiting.popleft()
        broken = self._broken(parcel)
        if not broken:
            return
        # Whoever samples the rest of the pack again should not stumble over the next one.
        for _, later in self._waiting:
            broken = self._broken(later) | broken
        self._waiting.clear()
        raise NumericsError(
            step=step, total=self._total, indices=sorted(broken), peaks=dict(sorted(broken.items()))
        )

    def _broken(self, parcel: Parcel) -> dict[int, float]:
        numbers = enumerate(zip(parcel.read(), self._limits, strict=True))
        # Written so that NaN, which compares with nothing, is broken.
        return {index: peak for index, (peak, limit) in numbers if not peak <= limit}
