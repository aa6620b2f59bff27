"""The exponential moving average of the weights, which is what is shipped."""

import torch
from torch import Tensor, nn


def _local(tensor: Tensor) -> Tensor:
    """The part of a tensor that lies in this process; all of it unless it is sharded."""
    part = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    detached: Tensor = part.detach()
    return detached


class Average:
    """A moving average of a module's trained parameters, sharded as they are.

    Args:
        module: whose parameters are followed; those without gradient never change.
    """

    def __init__(self, module: nn.Module) -> None:
        self._followed = [p for p in module.parameters() if p.requires_grad]
        self._values = [_local(p).float().clone() for p in self._followed]

    def update(self, kept: Tensor) -> None:
        """Move towards the present weights, keeping `kept` () of the old average."""
        # One kernel for all tensors has no public name; torch.optim.swa_utils calls these too.
        present = [_local(p).float() for p in self._followed]
        apart = torch._foreach_sub(present, self._values)  # noqa: SLF001 — no public name
        torch._foreach_mul_(apart, 1 - kept)
        torch._foreach_add_(self._values, apart)

    def swap(self) -> None:
        """Exchange the average and the weights; a second call undoes it."""
        for value, parameter in zip(self._values, self._followed, strict=True):
            held = _local(parameter)
            before = held.clone()
            held.copy_(value)
            value.copy_(before)
