"""Guidance over a pack in which sequences share their texts."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.conditioning import TextBatch, TextConditioning
from hymotion.network.flow import FlowModel
from hymotion.network.fused.field import FusedContext, FusedField


@dataclass(frozen=True, eq=False)
class FusedGuidance:
    """The velocity of `hymotion.sampling.guidance.Guidance`, from a `FusedField`.

    The seeds of a prompt share its text, and all samples share the null text.

    Attributes:
        flow: the model.
        field: its field.
        context: of the sequences under the prompts (B), then those under null texts.
        valid: (n,) rows of the flattened state (B · L) that hold frames; None: all do.
        guided: (m,) which of these n rows are guided, in the order of the null sequences.
        scales: (m, 1) float32.
    """

    flow: FlowModel
    field: FusedField
    context: FusedContext
    valid: Tensor | None
    guided: Tensor
    scales: Tensor

    @classmethod
    def of(
        cls,
        flow: FlowModel,
        field: FusedField,
        *,
        texts: Sequence[TextConditioning],
        frames: Sequence[int],
        scales: Sequence[float],
        length: int,
        device: torch.device,
    ) -> "FusedGuidance":
        """Guide B samples of `frames` out of `length` computed frames towards `texts`."""
        prompts, owners = _distinct(texts)
        batch = TextBatch.of(prompts).to(device, field.dtype)
        lengths = [each.length for each in prompts]
        guided = [index for index, scale in enumerate(scales) if scale > 1]
        nulls = [owners[index] for index in guided]
        if guided:
            null = flow.unconditional(batch)
            if flow.null_ctxt:
                # All tokens of all null texts are equal: one is enough, see `Layout`.
                one = torch.ones(1, dtype=batch.length.dtype, device=device)
                batch = batch.joined(TextBatch(null.vtxt[:1], null.ctxt[:1], one))
                places, lengths = [len(prompts)] * len(guided), [*lengths, 1]
            else:
                batch = batch.joined(null)
                places, lengths = [len(prompts) + owner for owner in nulls], lengths * 2
        else:
            places = []
        counts = torch.tensor(frames)
        rows = torch.split(torch.arange(int(counts.sum())), list(frames))
        chosen = torch.cat([rows[index] for index in guided]) if guided else counts.new_empty(0)
        context = field.prepare(
            batch,
            frames=[*frames, *(frames[index] for index in guided)],
            owners=[*owners, *places],
            lengths=lengths,
            tokens=[prompts[owner].length for owner in (*owners, *nulls)],
            source=torch.cat((*rows, chosen)).to(device),
        )
        full = all(count == length for count in frames)
        inside = torch.arange(length)[None] < counts[:, None]
        repeated = torch.tensor([scales[index] for index in guided]).repeat_interleave(
            torch.tensor([frames[index] for index in guided], dtype=torch.int64)
        )
        return cls(
            flow=flow,
            field=field,
            context=context,
            valid=None if full else torch.nonzero(inside.flatten()).flatten().to(device),
            guided=chosen.to(device),
            scales=repeated.float()[:, None].to(device),
        )

    def __call__(self, t: Tensor, x: Tensor) -> Tensor:
        """Guided velocity (B, L, 201), float32, at flow time t (scalar) and state x (B, L, 201).

        It is 0 for padding frames.
        """
        state = x.flatten(0, 1)
        if self.valid is not None:
            state = state[self.valid]
        time = t.reshape(1)
        output = self.field(self.flow.entered(state, time), time, self.context)
        prompted, null = output[: len(state)], output[len(state) :]
        mixed = null + self.scales * (prompted[self.guided] - null)
        velocity = self.flow.velocity_of(prompted.index_copy(0, self.guided, mixed), state, time)
        if self.valid is not None:
            whole = velocity.new_zeros(x.shape[0] * x.shape[1], x.shape[2])
            velocity = whole.index_copy(0, self.valid, velocity)
        return velocity.reshape(x.shape)


def _distinct(texts: Sequence[TextConditioning]) -> tuple[list[TextConditioning], list[int]]:
    """The different ones of B texts, and for each of the B its index among them."""
    found: list[TextConditioning] = []
    by_key: dict[Hashable, list[int]] = {}
    owners = []
    for text in texts:
        # The pooled features tell most prompts apart and are small.
        key = (text.length, text.vtxt.numpy(force=True).tobytes())
        same = by_key.setdefault(key, [])
        owner = next((index for index in same if _same(found[index], text)), None)
        if owner is None:
            owner = len(found)
            same.append(owner)
            found.append(text)
        owners.append(owner)
    return found, owners


def _same(one: TextConditioning, other: TextConditioning) -> bool:
    if one is other:
        return True
    return torch.equal(one.ctxt[: one.length], other.ctxt[: other.length])
