"""Noise: from the seed alone, and the same for a frame whatever the length."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hymotion.sampling.noise import draw_noise, draw_pack
from hymotion.sampling.request import MAX_SEED


@settings(max_examples=25)
@given(seed=st.integers(0, MAX_SEED), frames=st.integers(20, 360), other=st.integers(20, 360))
def test_a_shorter_motion_starts_from_the_same_frames(seed: int, frames: int, other: int) -> None:
    first, second = (
        draw_noise(seed, frames=length, train_frames=360, width=201) for length in (frames, other)
    )
    common = min(frames, other)
    assert torch.equal(first[:common], second[:common])


def test_seeds_differ_and_rows_of_a_pack_are_single_draws() -> None:
    pack = draw_pack([4, 9, 4], frames=30, train_frames=360, width=201)
    assert torch.equal(pack[0], pack[2])
    assert not torch.equal(pack[0], pack[1])
    assert torch.equal(pack[1], draw_noise(9, frames=30, train_frames=360, width=201))


def test_torch_s_own_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draw_noise(5, frames=20, train_frames=360, width=201)
    assert torch.equal(torch.rand(3), expected)
