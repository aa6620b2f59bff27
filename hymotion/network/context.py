"""Values that the velocity field computes once per pack and reuses in every solver step."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Context:
    """Intermediate results that depend on text, lengths and shapes, but not on state or time.

    B samples with L frames and T tokens, in a network of width D. W is the type of the blocks'
    weights. Masks hold 0 or −inf and are added to the attention scores.

    Attributes:
        turns: (L + T, head_dim / 2) complex64, the rotary positions of [motion, text].
        motion_mask: (B, 1, L, L + T) W: frames attend to valid frames within the band and to
            valid text. Every text has a token, so no row is fully masked and padding frames
            never become NaN.
        text_mask: (B, 1, 1, T) W: tokens attend to valid text and never to motion.
        pooled: (B, 1, D), the encoded pooled text, in the type of its encoder.
        tokens: (B, T, D) float32, the encoded tokens that enter the refiner.
        attended: (B, T, D) W, attention output of the refiner's first block before its gate;
            only the gate depends on time.
        mean: (B, D), the encoded mean of the valid tokens, in the type of its encoder.
    """

    turns: Tensor
    motion_mask: Tensor
    text_mask: Tensor
    pooled: Tensor
    tokens: Tensor
    attended: Tensor
    mean: Tensor
