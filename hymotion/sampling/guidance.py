"""Classifier-free guidance (Ho & Salimans 2022), a scale of its own for every sample."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.conditioning import TextBatch

Field = Callable[[Tensor, Tensor, TextBatch, Tensor], Tensor]
"""x (B, L, 201), t (B,), text of B samples, frames (B,) → velocity (B, L, 201)."""


@dataclass(frozen=True, eq=False)
class Guidance:
    """v = v_null + scale·(v_text − v_null) where scale > 1, else v_text alone.

    Samples that are not guided get no null row, so they cost half and their result cannot
    depend on the null features.

    Attributes:
        field: the velocity field.
        text: the conditional rows first (B), then a null row for each guided sample.
        frames: (B + guided,) valid frames, in the order of `text`.
        guided: (guided,) which samples have a null row, ascending.
        scales: (guided, 1, 1) float32.
    """

    field: Field
    text: TextBatch
    frames: Tensor
    guided: Tensor
    scales: Tensor

    @classmethod
    def of(
        cls, field: Field, *, text: TextBatch, null: TextBatch, frames: Tensor, scales: Tensor
    ) -> "Guidance":
        """Guide B samples with `scales` (B,) from `text` against `null`, both of B samples."""
        guided = torch.nonzero(scales > 1).flatten()
        return cls(
            field=field,
            text=text.joined(null.rows(guided)),
            frames=torch.cat((frames, frames[guided])),
            guided=guided,
            scales=scales[guided].float()[:, None, None],
        )

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """Guided velocity (B, L, 201), float32, at flow time t (scalar) and state x (B, L, 201)."""
        count = x.shape[0]
        rows = torch.cat((x, x[self.guided]))
        both = self.field(rows, t.expand(rows.shape[0]), self.text, self.frames).float()
        velocity, null = both[:count], both[count:]
        mixed = null + self.scales * (velocity[self.guided] - null)
        return velocity.index_copy(0, self.guided, mixed)
