"""The ordinary differential equation from noise to motion, solved apart from the field."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hymotion.errors import NumericsError

Velocity = Callable[[Tensor, Tensor], Tensor]
"""Flow time t (scalar) and state (B, L, 201) → velocity (B, L, 201)."""

OnStep = Callable[[int, int], None]
"""Called with (step, total) after each step, step from 1; what it raises ends the sampling."""


class Solver(Protocol):
    """Anything that carries noise at t = 0 to a state at t = 1."""

    def solve(self, velocity: Velocity, noise: Tensor, *, on_step: OnStep | None) -> Tensor: ...


@dataclass(frozen=True)
class EulerSolver:
    """Explicit Euler over linspace(0, 1, steps + 1): y += Δt·v(t, y)."""

    CHECK_EVERY = 10

    steps: int

    def solve(self, velocity: Velocity, noise: Tensor, *, on_step: OnStep | None = None) -> Tensor:
        """The state at t = 1.

        Raises:
            NumericsError: a state is not finite, with the first step at which it was not.
        """
        state = noise
        times = torch.linspace(0.0, 1.0, self.steps + 1, device=noise.device)
        good = torch.zeros(noise.shape[0], dtype=torch.int64, device=noise.device)
        for step in range(1, self.steps + 1):
            start, end = times[step - 1], times[step]
            state = state + (end - start) * velocity(start, state)
            # Counted on the device, read only now and then: reading stops a GPU's queue. What
            # is not finite stays so, hence the count is the last step that was still finite.
            good += state.isfinite().flatten(1).all(1)
            if step % self.CHECK_EVERY == 0 or step == self.steps:
                self._check(good, step)
            if on_step is not None:
                on_step(step, self.steps)
        return state

    def _check(self, good: Tensor, step: int) -> None:
        counts = good.tolist()
        bad = [index for index, count in enumerate(counts) if count < step]
        if bad:
            first = 1 + min(counts[index] for index in bad)
            raise NumericsError(step=first, total=self.steps, indices=bad)
