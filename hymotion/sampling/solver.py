"""The ordinary differential equation from noise to motion, solved apart from the field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Flow time t (scalar) and state (B, L, 201) → velocity (B, L, 201)."""

OnStep = Callable[[int, int], None]
"""Called with (step, total) after each step, step from 1; what it raises ends the sampling."""


class VelocityWatch(Protocol):
    """Looks at the velocities of one run; `hymotion.sampling.guard.Guard` does."""

    def look(self, step: int, velocity: Tensor) -> None:
        """Called with each step, from 1, and its velocity; may raise for one of before."""

    def close(self) -> None:
        """Called after the last step; raises for what was not raised for yet."""


class MakeWatch(Protocol):
    """Makes the watch of one run: see `hymotion.sampling.guard.Guard` for the arguments."""

    def __call__(
        self, *, total: int, limits: tuple[float, ...], valid: Tensor | None
    ) -> VelocityWatch: ...


@dataclass(frozen=True)
class EulerSolver:
    """Explicit Euler over linspace(0, 1, steps + 1): y += Δt·v(t, y).

    The state keeps the type of the noise, float32, whatever the network computes in.
    """

    steps: int

    def solve(
        self,
        velocity: Velocity,
        noise: Tensor,
        *,
        watch: VelocityWatch,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """The state at t = 1.

        Raises:
            NumericsError: `watch` found a velocity that cannot be trusted.
        """
        state = noise
        times = torch.linspace(0.0, 1.0, self.steps + 1, device=noise.device)
        for step in range(1, self.steps + 1):
            start, end = times[step - 1], times[step]
            flow = velocity(start, state)
            state = state + (end - start) * flow
            watch.look(step, flow)
            if on_step is not None:
                on_step(step, self.steps)
        watch.close()
        return state
