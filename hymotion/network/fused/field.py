"""The velocity field of a whole pack, with few kernels and with text shared by its sequences."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.device import PRECISIONS
from hymotion.network.blocks import DoubleBlock, SingleBlock
from hymotion.network.context import Context
from hymotion.network.embedding import FeedForward
from hymotion.network.field import VelocityField
from hymotion.network.fused.layout import Layout
from hymotion.network.fused.operations import (
    Columns,
    Norms,
    attention,
    gelu_linear,
    update_and_normalise,
)
from hymotion.network.modulation import Modulation
from hymotion.network.rope import rotary_turns


@dataclass(frozen=True, eq=False)
class FusedContext:
    """What all steps of a pack share.

    Attributes:
        layout: where frames and tokens are.
        texts: the context of the U texts; its masks and turns for frames are not used.
        turns: (2, positions, head_dim / 2) float32, cosines and sines of the rotary angles.
        source: (N,) which input frame each frame of the sequences is: both sequences of a guided
            sample begin from the same noise.
    """

    layout: Layout
    texts: Context
    turns: Tensor
    source: Tensor


class FusedField:
    """Evaluates a `VelocityField` for packs; the same function up to rounding.

    Text never depends on motion, so texts, and the modulation that follows from text and time, are
    computed once for all sequences that share them. The residual stream of all frames and tokens
    is one tensor without padding, so that every layer is one matrix product.
    """

    def __init__(self, field: VelocityField) -> None:
        self.field = field
        self.config = field.config
        self.dtype = field.dtype
        self.doubles = [block for block in field.double_blocks if isinstance(block, DoubleBlock)]
        self.singles = [block for block in field.single_blocks if isinstance(block, SingleBlock)]
        self._columns: dict[Modulation, int] = {}
        self._weight, self._bias = self._joined()

    def _modulations(self) -> Iterator[Modulation]:
        for double in self.doubles:
            yield double.motion_mod
            yield double.text_mod
        for single in self.singles:
            yield single.modulation
        yield self.field.final_layer.adaLN_modulation

    def _joined(self) -> tuple[Tensor, Tensor]:
        """All modulation layers as one. They become views of it, so no memory is added."""
        layers = [(each, each.linear) for each in self._modulations()]
        weight = torch.cat([linear.weight.detach() for _, linear in layers])
        bias = torch.cat([linear.bias.detach() for _, linear in layers])
        start = 0
        for layer, linear in layers:
            end = start + linear.out_features
            self._columns[layer] = start
            linear.weight.data, linear.bias.data = weight[start:end], bias[start:end]
            start = end
        return weight, bias

    def prepare(
        self,
        texts: TextBatch,
        *,
        frames: Sequence[int],
        owners: Sequence[int],
        lengths: Sequence[int],
        tokens: Sequence[int],
        source: Tensor,
    ) -> FusedContext:
        """Compute what `velocity` needs besides state and time.

        Args:
            texts: U different texts.
            frames: lengths of the S sequences.
            owners: for each sequence, the index of its text.
            lengths: number of tokens of each text, as in `texts.length`, on the host.
            tokens: for each sequence, how many tokens it attends to; see `Layout.of`.
            source: (N,) the input frame of each frame.
        """
        device = texts.ctxt.device
        positions = torch.arange(self.config.train_frames + max(tokens), device=device)
        turns = torch.view_as_real(rotary_turns(positions, self.config.head_dim))
        one = torch.ones(len(lengths), dtype=torch.int64, device=device)
        return FusedContext(
            layout=Layout.of(frames, owners, lengths, tokens, device=device),
            texts=self.field.prepare(texts, one, length=1),
            turns=turns.permute(2, 0, 1).contiguous(),
            source=source,
        )

    def __call__(self, x: Tensor, t: Tensor, context: FusedContext) -> Tensor:
        """The output (N, 201), float32, for input frames x (n, 201) at flow time t (1,)."""
        field, layout, texts = self.field, context.layout, context.texts
        count = len(texts.pooled)
        adapter = (field.timestep_encoder(t)[:, None] + texts.pooled)[:, 0]
        modulation = F.linear(F.silu(adapter).to(self.dtype), self._weight, self._bias).float()
        tokens = field.text_refiner(t.expand(count), texts).flatten(0, 1)
        with self._rounding():
            frames = field.input_encoder(x.to(field.input_encoder.weight.dtype)).float()
        stream = torch.cat((frames[context.source], tokens[layout.tokens]))
        return _Evaluation(self, context, stream, modulation).run()

    def final(self, shaped: Tensor) -> Tensor:
        """The output (N, 201), float32, of shaped frames."""
        with self._rounding():
            output: Tensor = self.field.final_layer.linear(shaped)
        return output.float()

    def _rounding(self) -> AbstractContextManager[None]:
        """How the first and the last layer, which are float32, are multiplied.

        Next to blocks in half precision TensorFloat-32 loses nothing that can be seen, and without
        it these two of a hundred layers take a fiftieth of the time.
        """
        if self.dtype == torch.float32 or self._weight.device.type != "cuda":
            return nullcontext()
        return PRECISIONS["tf32"].products()

    def columns(self, gate: tuple[Modulation, int], shape: tuple[Modulation, int]) -> Columns:
        """Of the update behind a part of a layer, and of the shift and scale from another's."""
        width = self.config.feat_dim
        first = self._columns[shape[0]] + shape[1] * width
        return Columns(self._columns[gate[0]] + gate[1] * width, first, first + width)


class _Evaluation:
    """The blocks over one residual stream (R, D)."""

    def __init__(
        self, fused: FusedField, context: FusedContext, stream: Tensor, modulation: Tensor
    ) -> None:
        self._fused = fused
        self._context = context
        self._stream = stream
        self._modulation = modulation
        rows, width = stream.shape
        self._width = width
        self._motion = slice(0, context.layout.frames)
        self._text = slice(context.layout.frames, rows)
        self._all = slice(0, rows)
        # What each layer reads and writes next to the stream; one buffer serves all layers.
        self._shaped = stream.new_empty((rows, width), dtype=fused.dtype)
        self._qkv = stream.new_empty((rows, 3 * width), dtype=fused.dtype)
        self._attended = stream.new_empty((rows, width), dtype=fused.dtype)

    def run(self) -> Tensor:
        doubles, singles = self._fused.doubles, self._fused.singles
        self._update(self._motion, None, (doubles[0].motion_mod, 0), (doubles[0].motion_mod, 0))
        self._update(self._text, None, (doubles[0].text_mod, 0), (doubles[0].text_mod, 0))
        for block, following in zip(doubles, (*doubles[1:], None), strict=True):
            self._double(block, following)
        for single, after in pairwise(singles):
            self._update(
                self._all, self._single(single), (single.modulation, 2), (after.modulation, 0)
            )
        return self._final(self._single(singles[-1]), singles[-1].modulation)

    def _final(self, update: Tensor, gate: Modulation) -> Tensor:
        """The output of the frames, behind the last block's update."""
        final, frames = self._fused.field.final_layer, self._stream[self._motion]
        shaped = torch.empty_like(frames, dtype=final.linear.weight.dtype)
        update_and_normalise(
            frames,
            update[self._motion],
            modulation=self._modulation,
            owner=self._context.layout.owner[self._motion],
            columns=self._fused.columns((gate, 2), (final.adaLN_modulation, 0)),
            out=shaped,
        )
        return self._fused.final(shaped)

    def _update(
        self,
        rows: slice,
        update: Tensor | None,
        gate: tuple[Modulation, int],
        shape: tuple[Modulation, int],
    ) -> None:
        """Add an update to rows of the stream, and shape them for the next layer."""
        update_and_normalise(
            self._stream[rows],
            update,
            modulation=self._modulation,
            owner=self._context.layout.owner[rows],
            columns=self._fused.columns(gate, shape),
            out=self._shaped[rows],
        )

    def _attend(self, norms: Norms) -> None:
        config = self._fused.config
        attention(
            self._qkv,
            self._attended,
            self._context.layout,
            norms,
            self._context.turns,
            text_start=config.train_frames,
            band=config.narrowband,
        )

    def _double(self, block: DoubleBlock, following: DoubleBlock | None) -> None:
        _multiply(self._shaped[self._motion], block.motion_qkv, out=self._qkv[self._motion])
        _multiply(self._shaped[self._text], block.text_qkv, out=self._qkv[self._text])
        self._attend(_norms(block))
        single = self._fused.singles[0].modulation
        self._finish_stream(
            self._motion, block.motion_mod, block.motion_out_proj, block.motion_mlp,
            following=single if following is None else following.motion_mod,
        )  # fmt: skip
        self._finish_stream(
            self._text, block.text_mod, block.text_out_proj, block.text_mlp,
            following=single if following is None else following.text_mod,
        )  # fmt: skip

    def _finish_stream(
        self,
        rows: slice,
        modulation: Modulation,
        project: nn.Linear,
        mlp: FeedForward,
        *,
        following: Modulation,
    ) -> None:
        """The part of a double block behind the attention, for motion or text."""
        self._update(rows, project(self._attended[rows]), (modulation, 2), (modulation, 3))
        hidden = gelu_linear(self._shaped[rows], mlp.fc1.weight, mlp.fc1.bias)
        self._update(rows, mlp.fc2(hidden), (modulation, 5), (following, 0))

    def _single(self, block: SingleBlock) -> Tensor:
        """The update (R, D) of a single block.

        Its two layers are cut in two, so that nothing is copied together or apart.
        """
        width = self._width
        weight, bias = block.linear1.weight, block.linear1.bias
        torch.addmm(bias[: 3 * width], self._shaped, weight[: 3 * width].t(), out=self._qkv)
        q, k = block.q_norm.weight, block.k_norm.weight
        self._attend(Norms(q, k, q, k))
        hidden = gelu_linear(self._shaped, weight[3 * width :], bias[3 * width :])
        last = block.linear2
        update = F.linear(self._attended, last.weight[:, :width], last.bias)
        return update.addmm_(hidden, last.weight[:, width:].t())


def _multiply(x: Tensor, layer: nn.Linear, *, out: Tensor) -> None:
    torch.addmm(layer.bias, x, layer.weight.t(), out=out)


def _norms(block: DoubleBlock) -> Norms:
    return Norms(
        block.motion_q_norm.weight,
        block.motion_k_norm.weight,
        block.text_q_norm.weight,
        block.text_k_norm.weight,
    )
