"""Batches of prompts with similar lengths, so that little of a forward pass is padding."""

from collections.abc import Iterator, Sequence

MAX_TOKENS = 6144
"""Tokens that a batch attends to, including prefix and padding.

If all of them are computed, Qwen3-8B's widest layer and its norms need about 1 GiB by their sizes.
"""

MAX_PROMPTS = 256


def batches(lengths: Sequence[int], *, prefix: int, tokens: int) -> Iterator[list[int]]:
    """Indices of prompts in batches, the longest first, so that lack of memory shows at once.

    Args:
        lengths: number of computed tokens of each prompt.
        prefix: number of tokens before them that are only attended to.
        tokens: limit of the tokens that a batch attends to; a single prompt may exceed it.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        longest = prefix + lengths[order[start]]
        size = max(1, min(MAX_PROMPTS, tokens // longest))
        yield order[start : start + size]
        start += size
