"""A pack on its device, ready to be sampled."""

from dataclasses import dataclass

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
    """

    frames: tuple[int, ...]
    steps: int
    velocity: Velocity
    noise: Tensor
    limits: tuple[float, ...]
    valid: Tensor | None

    def latents(self, state: Tensor) -> list[Tensor]:
        """The latent (frames, 201) of each request in a state (B, L, 201)."""
        return [latent[:frames] for latent, frames in zip(state, self.frames, strict=True)]
