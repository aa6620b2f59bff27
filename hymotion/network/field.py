"""The velocity field of the flow: what the weights compute."""

import torch
from torch import Tensor, nn

from hymotion.conditioning import TextBatch
from hymotion.config import NetworkConfig
from hymotion.network.attention import JointMask
from hymotion.network.blocks import DoubleBlock, FinalLayer, SingleBlock
from hymotion.network.embedding import TimeEncoder, VectorEncoder
from hymotion.network.refiner import TextRefiner
from hymotion.network.rope import Rotary, joint_positions


class VelocityField(nn.Module):
    """v(t, x | text): the direction in which noisy motion x flows at time t.

    Pure: its output depends on its arguments and weights alone. Any number of frames up to the
    training length may be given: padding is never attended to, so a trimmed call gives the
    same frames as a padded one.
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

    def forward(self, x: Tensor, t: Tensor, text: TextBatch, frames: Tensor) -> Tensor:
        """Velocity of every frame.

        Args:
            x: (B, L, 201) noisy motion, normalised, L ≤ train_frames.
            t: (B,) flow time in [0, 1], 0 = noise.
            text: the text states of the B samples.
            frames: (B,) how many of the L frames are wanted; the rest is padding.

        Returns:
            (B, L, 201) in the type of the weights; padding frames hold finite numbers of no use.
        """
        motion, tokens, adapter = self._enter(x, t, text)
        length, width = motion.shape[1], tokens.shape[1]
        positions = joint_positions(
            length, width, text_start=self.config.train_frames, device=x.device
        )
        rotary = Rotary.of(positions, self.config.head_dim)
        mask = JointMask.of(
            frames,
            text.length,
            shape=(length, width),
            band=self.config.narrowband,
            dtype=motion.dtype,
        )
        for double in self.double_blocks:
            motion, tokens = double(motion, tokens, adapter, rotary, mask)
        joined = torch.cat((motion, tokens), dim=1)
        for single in self.single_blocks:
            joined = single(joined, length, adapter, rotary, mask)
        velocity: Tensor = self.final_layer(joined[:, :length], adapter)
        return velocity

    def _enter(self, x: Tensor, t: Tensor, text: TextBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Motion (B, L, D), refined tokens (B, T, D) and adapter (B, 1, D) for the blocks."""
        dtype = self.input_encoder.weight.dtype
        tokens = self.ctxt_encoder(text.ctxt.to(dtype))
        adapter = self.timestep_encoder(t)[:, None] + self.vtxt_encoder(text.vtxt.to(dtype))
        refined = self.text_refiner(t, tokens, text.length)
        return self.input_encoder(x.to(dtype)), refined, adapter
