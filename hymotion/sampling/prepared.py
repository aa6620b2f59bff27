"""A pack on its device, ready to be sampled."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.sampling.solver import Velocity


@dataclass(frozen=True, eq=False)
class PreparedPack:
    """All that the solver needs of B requests. It can be solved once.

    Attributes:
        frames: (B,) of each request.
        steps: number of solver steps.
        velocity: the guided velocity.
        noise: (B, L, 201) the state at t = 0, L at least the longest request's frames.
        limits: (B,) the |v| above which a velocity counts as exploding.
        valid: (B, L), true for valid frames; None: all are valid.
        again: prepares the same requests anew.
    """

    frames: tuple[int, ...]
    steps: int
    velocity: Velocity
    noise: Tensor
    limits: tuple[float, ...]
    valid: Tensor | None
    again: Callable[[], "PreparedPack"]

    def latents(self, state: Tensor) -> list[Tensor]:
        """The latent (frames, 201) of each request in a state (B, L, 201)."""
        return [latent[:frames] for latent, frames in zip(state, self.frames, strict=True)]


class FusedPathError(Exception):
    """The kernels of the fused field failed; the field itself still runs."""


@dataclass(frozen=True)
class FusedVelocity:
    """A velocity from compiled kernels, whose failures are told from those of the device."""

    velocity: Velocity

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity at t (scalar) and x; raises `FusedPathError`."""
        try:
            return self.velocity(t, x)
        except (torch.OutOfMemoryError, torch.AcceleratorError):
            raise
        except Exception as error:  # compilers fail in many ways
            reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
            raise FusedPathError(f"its kernels failed: {reason}") from error
