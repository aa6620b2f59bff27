"""Muon: steps for hidden matrices whose square parts are orthogonal (Jordan et al. 2024).

On tiny Lite the loss after three minutes was a seventh lower than AdamW's at the same learning rate
(docs/decisions/0007-prediction.md). torch.optim.Muon takes one matrix after the other, which is
about a thousand small kernels a step here.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from hymotion.network import VelocityField

MOMENTUM = 0.95

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration that brings all singular values near 1."""

ITERATIONS = 5

SCALE = 0.2
"""Root mean square of a step's numbers at learning rate 1, as AdamW's are (Liu et al. 2025)."""


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised momentum of each square part of a matrix.

    A matrix (n·d, d) or (d, n·d) is n squares side by side: queries, keys, values and the rest of
    a fused layer are each a map of their own. All squares of a model are worked on at once.

    Args:
        parameters: matrices as above, all of the same d.
        lr: learning rate, the one that AdamW would have.
        weight_decay: decoupled, as AdamW's.
    """

    def __init__(
        self, parameters: Iterable[Tensor], *, lr: float | Tensor, weight_decay: float
    ) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch overloads it
        """One step of all matrices that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            found = [(each, each.grad) for each in group["params"] if each.grad is not None]
            if found:
                self._step(found, group)
        return loss

    def _step(self, found: list[tuple[Tensor, Tensor]], group: dict[str, Any]) -> None:
        squares = [_squares(self._moved(matrix, slope)) for matrix, slope in found]
        turned = orthogonal(torch.cat(squares)) * SCALE * squares[0].shape[-1] ** 0.5
        parts = turned.split([len(each) for each in squares])
        for (matrix, _), part in zip(found, parts, strict=True):
            step = _sharded(_joined(part, matrix.shape), matrix)
            matrix.mul_(1 - group["lr"] * group["weight_decay"])
            matrix.sub_(step * group["lr"])

    def _moved(self, matrix: Tensor, slope: Tensor) -> Tensor:
        """Nesterov's momentum of a matrix's gradient; the whole of it where it is sharded."""
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(slope, 1 - MOMENTUM)
        moved: Tensor = slope.lerp(state["momentum"], MOMENTUM)
        return moved.full_tensor() if isinstance(moved, DTensor) else moved


def hidden(network: VelocityField) -> list[nn.Parameter]:
    """The matrices from hidden numbers to hidden numbers, (n·d, d) or (d, n·d)."""
    width = network.config.feat_dim
    parts = (
        network.timestep_encoder,
        network.text_refiner,
        network.double_blocks,
        network.single_blocks,
    )
    matrices = [each for part in parts for each in part.parameters() if each.ndim == 2]
    return [each for each in matrices if not any(side % width for side in each.shape)]


def orthogonal(squares: Tensor) -> Tensor:
    """(N, d, d) → nearly the nearest orthogonal matrices, by Newton-Schulz.

    A GPU does it in bfloat16, whose error is far less than that of so few iterations.
    """
    a, b, c = COEFFICIENTS
    x = squares.bfloat16() if squares.is_cuda else squares
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()


def _sharded(step: Tensor, matrix: Tensor) -> Tensor:
    """A step laid out as its matrix is; every process has the whole of it."""
    if not isinstance(matrix, DTensor):
        return step
    return distribute_tensor(step, matrix.device_mesh, matrix.placements, src_data_rank=None)


def _squares(matrix: Tensor) -> Tensor:
    """(n·d, d) or (d, n·d) → (n, d, d)."""
    rows, columns = matrix.shape
    if rows >= columns:
        return matrix.reshape(-1, columns, columns)
    return matrix.reshape(rows, -1, rows).transpose(0, 1)


def _joined(squares: Tensor, shape: torch.Size) -> Tensor:
    """The inverse of `_squares`."""
    rows, columns = shape
    if rows >= columns:
        return squares.reshape(rows, columns)
    return squares.transpose(0, 1).reshape(rows, columns)
