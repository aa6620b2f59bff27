"""Solver of the ordinary differential equation that takes noise to motion."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Flow time t (scalar) and state (B, L, 201) → velocity (B, L, 201)."""

OnStep = Callable[[int, int], None]
"""Called with (step, total) after each step, counted from 1; an exception ends the sampling."""


class VelocityWatch(Protocol):
    """Checks the velocities of one run, as `hymotion.sampling.guard.Guard` does."""

    def look(self, step: int, velocity: Tensor) -> None:
        """Called with each step, counted from 1, and its velocity; may raise for an earlier one."""

    def close(self) -> None:
        """Called after the last step; raises for velocities still unchecked."""


class MakeWatch(Protocol):
    """Creates the watch of one run; see `hymotion.sampling.guard.Guard` for the arguments."""

    def __call__(
        self, *, total: int, limits: tuple[float, ...], valid: Tensor | None
    ) -> VelocityWatch: ...


@dataclass(frozen=True)
class EulerSolver:
    """Explicit Euler over linspace(0, 1, steps + 1): y += Δt·v(t, y).

    The state keeps the noise's type, float32, in every precision of the network.
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
