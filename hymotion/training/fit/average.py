"""The exponential moving average of the weights, which becomes the released model."""

import torch
from torch import Tensor, nn


def _local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor; all of it unless it is sharded."""
    part = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    detached: Tensor = part.detach()
    return detached


class Average:
    """A moving average of a module's trainable parameters, with the same sharding.

    Args:
        module: its trainable parameters are averaged; the others never change.
    """

    def __init__(self, module: nn.Module) -> None:
        self._followed = [p for p in module.parameters() if p.requires_grad]
        self._values = [_local(p).float().clone() for p in self._followed]

    def update(self, kept: Tensor) -> None:
        """Move towards the current weights, keeping a share `kept` () of the old average."""
        # The fused kernels have no public name; torch.optim.swa_utils uses these too.
        present = [_local(p).float() for p in self._followed]
        apart = torch._foreach_sub(present, self._values)  # noqa: SLF001 — no public name
        torch._foreach_mul_(apart, 1 - kept)
        torch._foreach_add_(self._values, apart)

    def swap(self) -> None:
        """Exchange average and weights; a second call restores them."""
        for value, parameter in zip(self._values, self._followed, strict=True):
            held = _local(parameter)
            before = held.clone()
            held.copy_(value)
            value.copy_(before)
