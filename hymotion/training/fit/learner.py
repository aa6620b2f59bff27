"""The model and its text encoder as one module whose forward pass is the loss."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.config import ModelConfig
from hymotion.network import VelocityField
from hymotion.network.flow import FlowModel
from hymotion.network.modulation import Modulation
from hymotion.text.subword import SubwordEmbedding
from hymotion.training.errors import TrainingError
from hymotion.training.fit.objective import Errors, Statistics, errors, noisy
from hymotion.training.fit.poser import Poser


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one step learns from, on the device.

    Attributes:
        motion: (B, L, 201) normalised frames, zero after each length.
        lengths: (B,) valid frames.
        words: (B, T) numbers of known words, 0 for the others.
        forms: (B, T) which of the corpus's word forms each token is.
        tokens: (B,) valid tokens.
        noise: (B, L, 201).
        t: (B,) flow times.
        untold: (B,) bool, whose prompt is dropped.
        total: (), frames that the loss is divided by.
    """

    motion: Tensor
    lengths: Tensor
    words: Tensor
    forms: Tensor
    tokens: Tensor
    noise: Tensor
    t: Tensor
    untold: Tensor
    total: Tensor


class Learner(nn.Module):
    """Flow model and text embedding, trained together.

    Args:
        config: of the model; has a subword encoder.
        words: size of the vocabulary.
        statistics: of the training split.
        pieces: (F, buckets) shares of the buckets in all word forms of the corpus.
        late: see `Recipe`.
    """

    pieces: Tensor

    def __init__(
        self,
        *,
        config: ModelConfig,
        words: int,
        statistics: Statistics,
        pieces: Tensor,
        late: float = 2.0,
    ) -> None:
        super().__init__()
        if config.subword is None:
            raise TrainingError(
                "the config has no text encoder to train",
                mend="Give its config.yml the llm_type subword",
            )
        self.flow = FlowModel(config)
        self.text = SubwordEmbedding(config.subword, words=words)
        self.statistics = statistics
        self.late = late
        self.register_buffer("pieces", pieces, persistent=False)
        self.poser = Poser()
        self.flow.mean.copy_(statistics.mean)
        self.flow.std.copy_(statistics.std)
        # Carried for the file format alone; nothing would ever give them a gradient.
        self.flow.special_game_vtxt_feat.requires_grad_(False)
        self.flow.special_game_ctxt_feat.requires_grad_(False)
        start_quiet(self)
        keep_exact(self.flow.motion_transformer)

    def forward(self, lesson: Lesson) -> Errors:
        """The errors on a lesson."""
        text = self._told(lesson)
        x = noisy(lesson.motion, lesson.noise, lesson.t)
        length = lesson.motion.shape[1]
        context = self.flow.prepare(text, lesson.lengths, length=length)
        velocity = self.flow.velocity(x, lesson.t, context)
        valid = torch.arange(length, device=x.device) < lesson.lengths[:, None]
        # Millimetres of a foot are lost in half precision.
        with torch.autocast(x.device.type, enabled=False):
            return errors(
                velocity,
                motion=lesson.motion,
                noise=lesson.noise,
                t=lesson.t,
                valid=valid,
                total=lesson.total,
                statistics=self.statistics,
                poser=self.poser,
                late=self.late,
            )

    def _told(self, lesson: Lesson) -> TextBatch:
        vectors = self.text.piece_vectors(self.pieces[lesson.forms])
        text = self.text(lesson.words, vectors, lesson.tokens)
        null = self.flow.unconditional(text)
        untold = lesson.untold[:, None, None]
        return TextBatch(
            vtxt=torch.where(untold, null.vtxt.to(text.vtxt.dtype), text.vtxt),
            ctxt=torch.where(untold, null.ctxt.to(text.ctxt.dtype), text.ctxt),
            length=text.length,
        )


def keep_exact(network: VelocityField) -> None:
    """Let the first and the last layer work in float32 under autocast.

    What leaves the first is summed up through all blocks, and what leaves the last is metres:
    bfloat16 has 3 digits.
    """
    for layer in (network.input_encoder, network.final_layer):
        layer.forward = _exact(layer.forward)  # type: ignore[method-assign]  # on purpose


def _exact(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def in_float32(*inputs: Tensor) -> Tensor:
        with torch.autocast(inputs[0].device.type, enabled=False):
            return forward(*(each.float() for each in inputs))

    return in_float32


def start_quiet(learner: Learner) -> None:
    """Zero what gates the blocks and what writes the output (Peebles & Xie 2023, adaLN-Zero)."""
    with torch.no_grad():
        for module in learner.modules():
            if isinstance(module, Modulation):
                module.linear.weight.zero_()
                module.linear.bias.zero_()
        last = learner.flow.motion_transformer.final_layer.linear
        last.weight.zero_()
        last.bias.zero_()
        nn.init.normal_(learner.flow.null_vtxt_feat, std=0.5)
        nn.init.normal_(learner.flow.null_ctxt_input, std=0.5)
        for table in (learner.text.words, learner.text.pieces, learner.text.places):
            nn.init.normal_(table.weight, std=0.3)
