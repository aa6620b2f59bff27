"""The keys and values of tokens that all prompts begin with, computed once.

The system message makes up most of a chat. A causal model's states of it do not depend on what
follows, so they are kept and every batch attends to them: same numbers but for rounding, and only
the prompts' own tokens are computed. Needs `transformers`, as it goes where its cache goes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


class PrefixLayer(DynamicLayer):  # type: ignore[misc]  # its library is not read by mypy
    """One layer's keys and values (1, heads, P, head_dim), which no call adds to."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()
        super().update(keys, values)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """The prefix's, then the batch's own (B, heads, T, head_dim), for this call alone."""
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
