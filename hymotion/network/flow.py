"""The contents of a checkpoint: velocity field, null features and statistics."""

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.config import ModelConfig
from hymotion.network import Context, VelocityField

CLOSEST = 1e-3
"""Lower bound of 1 − t when a predicted clean motion is divided by it. Solvers start their last
step well before that."""

DETAIL = 0.5
"""Data standard deviation d that preconditioning assumes, relative to the motion's: the detail the
network must still predict. 0 makes the network predict the clean motion."""


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

        A network that predicts the clean motion m gives the velocity of the straight path from
        noise to it, (m − x)/(1 − t). A preconditioned one (Karras et al. 2022, section 5, for a
        straight path) takes x scaled to variance 1 and predicts F: the motion minus its best
        linear estimate t·d²·x/D, scaled to variance 1, with D = t²·d² + (1 − t)² and d = `DETAIL`.
        The velocity is then ((t·d² − (1 − t))·x + √((1 − t)² + t²·d⁴)·F)/D.
        """
        output: Tensor = self.motion_transformer(self.entered(x, t), t, context)
        return self.velocity_of(output, x, t)

    def entered(self, x: Tensor, t: Tensor) -> Tensor:
        """What the network takes for the state x (B, …) at time t (B,); see `velocity`."""
        if self.prediction != "preconditioned":
            return x
        time = _along(t, x)
        return x.float() / (time**2 + (1 - time) ** 2).sqrt()

    def velocity_of(self, output: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The velocity for the network's output at x (B, …) and time t (B,); see `velocity`.

        An affine function of the output, so that outputs may be mixed instead of velocities.
        """
        if self.prediction == "velocity":
            return output
        time = _along(t, x)
        if self.prediction == "preconditioned":
            share = time * DETAIL**2
            total = time * share + (1 - time) ** 2
            scale = ((1 - time) ** 2 + share**2).sqrt()
            return ((share - (1 - time)) * x.float() + scale * output.float()) / total
        return (output.float() - x.float()) / (1 - time).clamp(min=CLOSEST)

    def unconditional(self, text: TextBatch) -> TextBatch:
        """The unconditional branch of guidance for the samples of `text`.

        The null token replaces every token of the prompt and the length stays the same. Models
        trained without a null token keep the prompt's tokens.
        """
        ctxt = self.null_ctxt_input.expand_as(text.ctxt) if self.null_ctxt else text.ctxt
        return TextBatch(self.null_vtxt_feat.expand_as(text.vtxt), ctxt, text.length)

    def weight_bytes(self) -> int:
        """Size of all parameters and buffers on the device, in bytes."""
        tensors = (*self.parameters(), *self.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _along(t: Tensor, x: Tensor) -> Tensor:
    """Times (B,) in a shape that broadcasts over x (B, …)."""
    return t.float().reshape(-1, *(1 for _ in x.shape[1:]))
