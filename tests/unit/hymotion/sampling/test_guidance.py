"""Guidance: the formula, and that each sample has a scale of its own."""

import torch
from torch import Tensor

from hymotion.conditioning import TextBatch
from hymotion.network import Context
from hymotion.sampling.guidance import Guidance

TEXT = TextBatch(torch.full((3, 1, 1), 2.0), torch.zeros(3, 4, 1), torch.tensor([1, 2, 3]))
NULL = TextBatch(torch.full((3, 1, 1), -1.0), torch.zeros(3, 4, 1), torch.tensor([1, 2, 3]))


class Field:
    """A field whose velocity is the state plus the pooled feature; remembers its calls."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.frames: list[list[int]] = []

    def prepare(self, text: TextBatch, frames: Tensor, *, length: int) -> Context:
        self.frames.append(frames.tolist())
        none = torch.zeros(0)
        return Context(none, none, none, text.vtxt, none, none, none)

    def velocity(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        self.rows.append(len(x))
        return x + context.pooled + t[:, None, None]


def guide(scales: list[float]) -> tuple[Tensor, Field]:
    field = Field()
    guidance = Guidance.of(
        field,
        text=TEXT,
        null=NULL,
        frames=torch.tensor([5, 6, 7]),
        length=7,
        scales=torch.tensor(scales),
    )
    state = torch.arange(3.0)[:, None, None].expand(3, 7, 2)
    return guidance(torch.tensor(0.5), state)[:, 0, 0], field


def test_formula_per_sample() -> None:
    velocity, field = guide([5.0, 1.0, 3.0])
    # Conditional: state + 2 + t; null: state − 1 + t.
    expected = [0 - 0.5 + 5 * 3, 1 + 2.5, 2 - 0.5 + 3 * 3]
    assert torch.allclose(velocity, torch.tensor(expected))
    assert field.rows == [5]
    assert field.frames == [[5, 6, 7, 5, 7]]


def test_without_guidance_there_is_no_null_row() -> None:
    velocity, field = guide([1.0, 0.0, 0.5])
    assert torch.allclose(velocity, torch.tensor([2.5, 3.5, 4.5]))
    assert field.rows == [3]


def test_null_branch_keeps_the_length(mini) -> None:  # type: ignore[no-untyped-def]
    text = TextBatch(torch.ones(2, 1, 24), torch.ones(2, 5, 48), torch.tensor([3, 5]))
    null = mini._flow.unconditional(text)
    assert null.length.tolist() == [3, 5]
    assert torch.equal(null.ctxt, mini._flow.null_ctxt_input.expand(2, 5, 48))
    assert torch.equal(null.vtxt, mini._flow.null_vtxt_feat.expand(2, 1, 24))
