"""Keys and values of the tokens that all chats begin with, computed once.

The system message makes up most of a chat. In a causal model its states do not depend on later
tokens, so they are cached and every batch attends to them. The results are the same up to
rounding, and only the prompts' own tokens are computed. Needs `transformers`, whose cache it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class PrefixLayer(DynamicLayer):  # type: ignore[misc]  # its library is not read by mypy
    """One layer's keys and values (1, heads, P, head_dim), which calls never extend."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        super().update(keys, values)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """The prefix followed by the batch's own (B, heads, T, head_dim), for this call only."""
        del args, kwargs
        return _after(self.keys, key_states), _after(self.values, value_states)


@torch.inference_mode()
def prefix_cache(model: torch.nn.Module, tokens: Sequence[int], device: torch.device) -> Cache:
    """Compute the prefix's keys and values.

    Args:
        model: a decoder of `transformers`, on the device.
        tokens: the P tokens of the prefix, at least one.
        device: of the model.
    """
    cache = DynamicCache()
    ids = torch.tensor([tokens], device=device)
    model(input_ids=ids, past_key_values=cache, use_cache=True)
    return Cache(layers=[PrefixLayer(layer.keys, layer.values) for layer in cache.layers])


def _after(prefix: Tensor, own: Tensor) -> Tensor:
    return torch.cat((prefix.expand(own.shape[0], -1, -1, -1), own), dim=-2)
