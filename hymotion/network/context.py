"""What the velocity field computes once a pack, for all steps of the solver."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Context:
    """All that depends on the text, the lengths and the shapes, and on neither state nor time.

    Of B samples with L frames and T tokens, in a network of width D. W is the type of the
    blocks' weights. Masks are added to the attention scores, and hold 0 or −inf.

    Attributes:
        turns: (L + T, head_dim / 2) complex64, the rotary positions of [motion, text].
        motion_mask: (B, 1, L, L + T) W: frames see valid frames at most a band away, and valid
            text. No row is fully masked, since every text has a token: padding frames give
            numbers nobody reads, and no NaN.
        text_mask: (B, 1, 1, T) W: tokens see valid text and never motion.
        pooled: (B, 1, D), the encoded pooled text, in the type of its encoder.
        tokens: (B, T, D) float32, the encoded tokens that enter the refiner.
        attended: (B, T, D) W, what attention of the refiner's first block adds to `tokens`, not
            yet gated: the gate alone knows the time.
        mean: (B, D), the encoded mean of the valid tokens, in the type of its encoder.
    """

    turns: Tensor
    motion_mask: Tensor
    text_mask: Tensor
    pooled: Tensor
    tokens: Tensor
    attended: Tensor
    mean: Tensor
