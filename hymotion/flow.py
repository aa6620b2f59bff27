"""Everything a checkpoint holds: the velocity field, the null features, the statistics."""

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.config import ModelConfig
from hymotion.network import VelocityField

CLOSEST = 1e-3
"""The shortest way to go that a predicted clean motion is divided by. Solvers start their last
step well before."""


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

    def velocity(self, x: Tensor, t: Tensor, text: TextBatch, frames: Tensor) -> Tensor:
        """The flow's velocity at x (B, L, 201) and time t (B,); see `VelocityField.forward`.

        A network that predicts the clean motion m tells the velocity of the straight path from
        noise to it, (m − x)/(1 − t). A preconditioned one gets x/√S, with S = t² + (1 − t)² the
        variance of x, and tells F of m = (t·x + (1 − t)·√S·F)/S, that is of the velocity
        F/√S − (1 − 2t)·x/S (Karras et al. 2022, section 5, for a straight path).
        """
        time = t.float()[:, None, None]
        if self.prediction == "preconditioned":
            spread = (time**2 + (1 - time) ** 2).sqrt()
            output: Tensor = self.motion_transformer(x.float() / spread, t, text, frames)
            return output.float() / spread - (1 - 2 * time) * x.float() / spread**2
        output = self.motion_transformer(x, t, text, frames)
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
