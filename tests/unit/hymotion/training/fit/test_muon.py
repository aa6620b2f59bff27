"""Orthogonal steps."""

import pytest
import torch

from hymotion.training.fit.muon import MOMENTUM, SCALE, Muon, hidden, orthogonal
from tests.unit.hymotion.training.learning import config, corpus, learner

WIDTH = 16


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_squares_become_nearly_orthogonal() -> None:
    left, _ = torch.linalg.qr(drawn(3, WIDTH, WIDTH))
    right, _ = torch.linalg.qr(drawn(3, WIDTH, WIDTH).mT)
    values = torch.linspace(0.2, 5, WIDTH)
    turned = orthogonal(left * values @ right)
    # The published coefficients leave singular values between about 0.7 and 1.2.
    assert torch.linalg.svdvals(turned).sub(1).abs().max() < 0.35
    assert torch.allclose(left.mT @ turned @ right.mT, torch.eye(WIDTH), atol=0.35)


@pytest.mark.parametrize("shape", [(WIDTH, WIDTH), (3 * WIDTH, WIDTH), (WIDTH, 2 * WIDTH)])
def test_each_square_part_steps_by_itself(shape: tuple[int, int]) -> None:
    matrix = torch.nn.Parameter(drawn(*shape))
    before, slope = matrix.detach().clone(), drawn(*shape) + 0.1
    matrix.grad = slope.clone()
    Muon([matrix], lr=0.1, weight_decay=0.5).step()
    step = (before * (1 - 0.1 * 0.5) - matrix.detach()) / (0.1 * SCALE * WIDTH**0.5)
    parts = slope.split(WIDTH, 0 if shape[0] >= shape[1] else 1)
    for part, moved in zip(parts, step.split(WIDTH, 0 if shape[0] >= shape[1] else 1), strict=True):
        assert torch.allclose(moved, orthogonal(part[None])[0], atol=1e-4)


def test_steps_remember_earlier_ones() -> None:
    matrix = torch.nn.Parameter(torch.zeros(WIDTH, WIDTH))
    optimiser = Muon([matrix], lr=1.0, weight_decay=0.0)
    first, second = drawn(WIDTH, WIDTH), drawn(WIDTH, WIDTH).mT.contiguous()
    for slope in (first, second):
        before = matrix.detach().clone()
        matrix.grad = slope.clone()
        optimiser.step()
    held = (MOMENTUM * first * (1 - MOMENTUM)) + (1 - MOMENTUM) * second
    wanted = orthogonal(((1 - MOMENTUM) * second + MOMENTUM * held)[None])[0]
    assert torch.allclose((before - matrix) / (SCALE * WIDTH**0.5), wanted, atol=1e-4)


def test_only_maps_between_hidden_numbers_are_orthogonal() -> None:
    network = learner(corpus()).flow.motion_transformer
    width = config().network.feat_dim
    found = {id(each) for each in hidden(network)}
    names = {name for name, each in network.named_parameters() if id(each) in found}
    assert "double_blocks.0.motion_qkv.weight" in names
    assert not any(name.startswith(("input_encoder", "final_layer", "ctxt_enc")) for name in names)
    assert all(min(each.shape) == width for each in hidden(network))
