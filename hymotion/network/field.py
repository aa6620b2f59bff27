"""The velocity field of the flow: what the weights compute."""

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.config import NetworkConfig
from hymotion.network.attention import joint_masks
from hymotion.network.blocks import DoubleBlock, FinalLayer, SingleBlock
from hymotion.network.context import Context
from hymotion.network.embedding import TimeEncoder, VectorEncoder
from hymotion.network.refiner import TextRefiner
from hymotion.network.rope import joint_positions, rotary_turns


class VelocityField(nn.Module):
    """v(t, x | text): the direction in which noisy motion x flows at time t.

    Pure: its output depends on its arguments and weights alone. `prepare` computes once what all
    steps of a pack share, `forward` computes one step. Any number of frames up to the training
    length may be given: padding is never attended to, so a trimmed call gives the same frames as
    a padded one. The residual streams and the norms are float32 whatever the weights are: see
    `docs/precision.md`.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        dim, heads, hidden = config.feat_dim, config.num_heads, config.mlp_dim
        self.input_encoder = nn.Linear(config.input_dim, dim)
        self.ctxt_encoder = nn.Linear(config.ctxt_input_dim, dim)
        self.vtxt_encoder = VectorEncoder(config.vtxt_input_dim, dim)
        self.timestep_encoder = TimeEncoder(dim, factor=config.time_factor)
        # The refiner's MLP is four times as wide whatever `mlp_ratio` says.
        self.text_refiner = TextRefiner(dim, heads=heads, hidden=4 * dim)
        self.double_blocks = nn.ModuleList(
            DoubleBlock(dim, heads=heads, hidden=hidden) for _ in range(config.double_blocks)
        )
        self.single_blocks = nn.ModuleList(
            SingleBlock(dim, heads=heads, hidden=hidden) for _ in range(config.single_blocks)
        )
        self.final_layer = FinalLayer(dim, config.input_dim)

    @property
    def dtype(self) -> torch.dtype:
        """The type that the blocks multiply in."""
        return self.ctxt_encoder.weight.dtype

    @property
    def exact_parts(self) -> tuple[nn.Module, ...]:
        """What should stay float32 where the blocks are in half precision.

        The first layer reads the solver's state and the last one writes the velocity; the encoders
        of flow time and pooled text reach every block. Together they are a hundredth of the
        weights and less of the work, and they make most of the error.
        """
        return (
            self.input_encoder,
            self.final_layer.linear,
            self.timestep_encoder,
            self.vtxt_encoder,
            self.text_refiner.timestep_encoder,
            self.text_refiner.context_encoder,
        )

    def prepare(self, text: TextBatch, frames: Tensor, *, length: int) -> Context:
        """What `forward` needs besides state and time; the same for all steps of a pack.

        Args:
            text: the text states of the B samples.
            frames: (B,) how many of the L frames are wanted; the rest is padding.
            length: L ≤ train_frames.
        """
        tokens = self.ctxt_encoder(text.ctxt.to(self.dtype))
        shape = length, tokens.shape[1]
        motion_mask, text_mask = joint_masks(
            frames, text.length, shape=shape, band=self.config.narrowband, dtype=self.dtype
        )
        positions = joint_positions(
            *shape, text_start=self.config.train_frames, device=tokens.device
        )
        embedded, attended, mean = self.text_refiner.prepare(tokens, text.length, text_mask)
        return Context(
            turns=rotary_turns(positions, self.config.head_dim),
            motion_mask=motion_mask,
            text_mask=text_mask,
            pooled=self.vtxt_encoder(text.vtxt.to(self.vtxt_encoder.dtype)),
            tokens=embedded,
            attended=attended,
            mean=mean,
        )

    def forward(self, x: Tensor, t: Tensor, context: Context) -> Tensor:
        """Velocity of every frame.

        Args:
            x: (B, L, 201) noisy motion, normalised.
            t: (B,) flow time in [0, 1], 0 = noise.
            context: of the B samples with L frames.

        Returns:
            (B, L, 201) in the type of the last layer; padding frames hold finite numbers of no
            use.
        """
        length = x.shape[1]
        adapter = self.timestep_encoder(t)[:, None] + context.pooled
        # Both residual streams are float32.
        tokens = self.text_refiner(t, context)
        motion = self.input_encoder(x.to(self.input_encoder.weight.dtype)).float()
        for double in self.double_blocks:
            motion, tokens = double(motion, tokens, adapter, context)
        joined = torch.cat((motion, tokens), dim=1)
        for single in self.single_blocks:
            joined = single(joined, length, adapter, context)
        velocity: Tensor = self.final_layer(joined[:, :length], adapter)
        return velocity
