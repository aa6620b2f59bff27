"""Classifier-free guidance (Ho & Salimans 2022), a scale of its own for every sample."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from hymotion.conditioning import TextBatch
from hymotion.network import Context


class Field(Protocol):
    """What `FlowModel` does."""

    def prepare(self, text: TextBatch, frames: Tensor, *, length: int) -> Context: ...

    def velocity(self, x: Tensor, t: Tensor, context: Context) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class Guidance:
    """v = v_null + scale·(v_text − v_null) where scale > 1, else v_text alone.

    Samples that are not guided get no null row, so they cost half and their result cannot
    depend on the null features.

    Attributes:
        field: the velocity field.
        context: the conditional rows first (B), then a null row for each guided sample.
        guided: (guided,) which samples have a null row, ascending.
        scales: (guided, 1, 1) float32.
    """

    field: Field
    context: Context
    guided: Tensor
    scales: Tensor

    @classmethod
    def of(
        cls,
        field: Field,
        *,
        text: TextBatch,
        null: TextBatch,
        frames: Tensor,
        length: int,
        scales: Tensor,
    ) -> "Guidance":
        """Guide B samples with `scales` (B,) from `text` against `null`, both of B samples.

        `frames` (B,) of the `length` computed ones are valid.
        """
        guided = torch.nonzero(scales > 1).flatten()
        rows = text.joined(null.rows(guided))
        return cls(
            field=field,
            context=field.prepare(rows, torch.cat((frames, frames[guided])), length=length),
            guided=guided,
            scales=scales[guided].float()[:, None, None],
        )

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """Guided velocity (B, L, 201), float32, at flow time t (scalar) and state x (B, L, 201)."""
        count = x.shape[0]
        rows = torch.cat((x, x[self.guided]))
        both = self.field.velocity(rows, t.expand(rows.shape[0]), self.context).float()
        velocity, null = both[:count], both[count:]
        mixed = null + self.scales * (velocity[self.guided] - null)
        return velocity.index_copy(0, self.guided, mixed)
