"""Everything a checkpoint holds: the velocity field, the null features, the statistics."""

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.config import ModelConfig
from hymotion.network import Context, VelocityField

CLOSEST = 1e-3
"""The shortest way to go that a predicted clean motion is divided by. Solvers start their last
step well before."""

DETAIL = 0.5
"""Deviation of what a preconditioned network is taken not to know of the motion, in units of the
motion's own: less keeps more of the noise out of its work, 0 leaves it the clean motion to tell."""


class FlowModel(nn.Module):
    """The tensors of `model_state_dict`, under the published names.

    `special_game_*` are carried because the files have them; sampling does not use them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        network = config.network
        self.null_ctxt = config.null_ctxt
        self.prediction = config.prediction
        self.motion_transformer = VelocityField(network)
        self.null_vtxt_feat = nn.Parameter(torch.zeros(1, 1, network.vtxt_input_dim))
        self.null_ctxt_input = nn.Parameter(torch.zeros(1, 1, network.ctxt_input_dim))
        self.special_game_vtxt_feat = nn.Parameter(torch.zeros(1, 1, network.vtxt_input_dim))
        self.special_game_ctxt_feat = nn.Parameter(torch.zeros(1, 1, network.ctxt_input_dim))
        self.register_buffer("mean", torch.zeros(network.input_dim))
        self.register_buffer("std", torch.ones(network.input_dim))

    def prepare(self, text: TextBatch, frames: Tensor, *, length: int) -> Context:
        """See `VelocityField.prepare`."""
        return self.motion_transformer.prepare(text, frames, length=length)

    def velocity(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """The flow's velocity at x (B, L, 201) and time t (B,); see `VelocityField.forward`.

        A network that predicts the clean motion m tells the velocity of the straight path from
        noise to it, (m − x)/(1 − t). A preconditioned one (Karras et al. 2022, section 5, for a
        straight path) gets x scaled to variance 1, and tells what is left of the motion once the
        best linear guess is taken off, t·d²·x/D with D = t²·d² + (1 − t)² and d the detail, in
        units of its own deviation if the motion's is 1. Of the velocity that makes
        ((t·d² − (1 − t))·x + √((1 − t)² + t²·d⁴)·F)/D.
        """
        time = t.float()[:, None, None]
        if self.prediction == "preconditioned":
            share = time * DETAIL**2
            total = time * share + (1 - time) ** 2
            unit = (time**2 + (1 - time) ** 2).sqrt()
            told: Tensor = self.motion_transformer(x.float() / unit, t, context)
            scale = ((1 - time) ** 2 + share**2).sqrt()
            return ((share - (1 - time)) * x.float() + scale * told.float()) / total
        output: Tensor = self.motion_transformer(x, t, context)
        if self.prediction == "velocity":
            return output
        return (output.float() - x.float()) / (1 - time).clamp(min=CLOSEST)

    def unconditional(self, text: TextBatch) -> TextBatch:
        """The null branch of guidance for the samples of `text`.

        The null token stands in for every token of the prompt, so the prompt's length stays;
        models trained without a null token keep the prompt's tokens.
        """
        ctxt = self.null_ctxt_input.expand_as(text.ctxt) if self.null_ctxt else text.ctxt
        return TextBatch(self.null_vtxt_feat.expand_as(text.vtxt), ctxt, text.length)

    def weight_bytes(self) -> int:
        """Bytes of all parameters and buffers on the device."""
        tensors = (*self.parameters(), *self.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
