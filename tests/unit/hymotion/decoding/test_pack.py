"""Packs: motions of several lengths decoded at once, against the values of decoding one by one.

`decoded.npz` holds what this library computed before it decoded packs, frame after frame and run
of contact after run, with LAPACK's eigenvectors: the first 135 values of six latents (three of
tiny-full after ten steps, the shortest possible cut of one, one of them under noise, and noise
alone), and what they decode to with free and with planted feet.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hymotion.body.rotation import (
    davenport,
    matrix_from_axis_angle,
    matrix_from_quaternion,
    nearest_rotation,
    rot6d_from_matrix,
)
from hymotion.body.skeleton import BODY
from hymotion.decoding import Decoder
from hymotion.decoding.kinematics import Pose
from hymotion.decoding.planting import GENERATED, foot_contacts, planted
from hymotion.decoding.rows import FrameRows
from hymotion.errors import RequestError
from tests.unit.hymotion.standing import standing

RECORDED = Path(__file__).with_name("decoded.npz")
LEGS = [1, 2, 4, 5, 7, 8]


def recorded() -> dict[str, Tensor]:
    with np.load(RECORDED) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def padded(values: Tensor) -> Tensor:
    """With the 66 values that decoding does not use."""
    return torch.cat((values.float(), torch.full((*values.shape[:-1], 66), torch.nan)), dim=-1)


def latents(found: dict[str, Tensor]) -> list[Tensor]:
    return list(padded(found["latents"]).split_with_sizes(found["lengths"].tolist()))


def decoder(found: dict[str, Tensor], *, plant: bool) -> Decoder:
    return Decoder(padded(found["mean"]), padded(found["std"]), plant_feet=plant)


def grounded(found: dict[str, Tensor], pack: Sequence[Tensor]) -> tuple[Pose, FrameRows]:
    one = decoder(found, plant=False)
    pose, rows = one.pose(pack)
    return one.lowered(pose, rows), rows


def test_a_pack_decodes_to_the_values_recorded_one_by_one() -> None:
    found = recorded()
    pose, rows = grounded(found, latents(found))
    assert (rot6d_from_matrix(pose.matrices) - found["rot6d"]).abs().max() < 1e-9
    assert (pose.trans - found["trans"]).abs().max() < 1e-9
    held = decoder(found, plant=True).lowered(planted(pose, rows, GENERATED), rows)
    legs = rot6d_from_matrix(held.matrices[:, LEGS])
    assert (legs - found["planted_legs"]).abs().max() < 1e-9
    assert (held.trans[:, 1] - found["planted_heights"]).abs().max() < 1e-9
    # The record has feet that were moved, and other joints that were not.
    assert (legs - rot6d_from_matrix(pose.matrices[:, LEGS])).abs().max() > 0.05
    again = Pose.of(held.matrices, held.trans, BODY)
    assert torch.allclose(again.positions, held.positions, atol=1e-12)
    assert torch.allclose(again.turns, held.turns, atol=1e-12)


@pytest.mark.parametrize("plant", [False, True])
def test_a_motion_is_the_same_alone_and_in_a_pack(plant: bool) -> None:
    found = recorded()
    pack = latents(found)

    def posed(some: Sequence[Tensor]) -> tuple[Tensor, ...]:
        pose, rows = grounded(found, some)
        pose = planted(pose, rows, GENERATED) if plant else pose
        return pose.matrices, pose.trans, pose.world

    together = zip(*(part.split([len(one) for one in pack]) for part in posed(pack)), strict=True)
    for latent, parts in zip(pack, together, strict=True):
        for alone, among in zip(posed([latent]), parts, strict=True):
            assert (alone - among).abs().max() < 1e-12
    motions = decoder(found, plant=plant).decode(pack)
    for latent, motion in zip(pack, motions, strict=True):
        [alone] = decoder(found, plant=plant).decode([latent])
        assert motion.frames == len(latent)
        assert np.allclose(alone.joints, motion.joints, atol=1e-6, rtol=0)


def test_an_empty_pack_has_no_motions_and_a_short_latent_is_refused() -> None:
    one = Decoder(*standing())
    assert one.decode([]) == []
    with pytest.raises(RequestError, match="10 frames"):
        one.decode([torch.zeros(30, 201), torch.zeros(10, 201)])


def test_numbers_that_are_not_finite_stay_in_their_motion_and_stay_so() -> None:
    bad = torch.zeros(20, 201)
    bad[9, 3:] = torch.nan
    one = Decoder(*standing(), plant_feet=True)
    left, motion, right = one.decode([torch.zeros(20, 201), bad, torch.zeros(20, 201)])
    assert not np.isfinite(motion.rot6d).all()
    for whole in (left, right):
        assert np.allclose(whole.joints, one.decode([torch.zeros(20, 201)])[0].joints)


def test_decoding_reads_no_value_on_the_host() -> None:
    # Tensors on the meta device have no values: whatever asks for one fails.
    mean, std = (each.to("meta") for each in standing())
    one = Decoder(mean, std, plant_feet=True)
    pose, rows = one.pose([torch.zeros(20, 201), torch.zeros(11, 201)])
    pose = one.lowered(planted(one.lowered(pose, rows), rows, GENERATED), rows)
    assert pose.matrices.shape == (31, 22, 3, 3)
    with pytest.raises((RuntimeError, NotImplementedError)):
        pose.trans.isfinite().all().item()


def test_the_nearest_rotation_is_the_largest_eigenvector_of_any_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    for size in (0.01, 0.5, 1.0, 3.0):
        vectors = torch.randn(9, 20_000, 3, generator=generator, dtype=torch.float64) * size
        weights = torch.rand(9, 1, 1, 1, generator=generator, dtype=torch.float64)
        average = (matrix_from_axis_angle(vectors) * weights / weights.sum()).sum(0)
        values, columns = torch.linalg.eigh(davenport(average))
        expected = matrix_from_quaternion(columns[..., -1])
        # Both are as exact as the gap between the eigenvalues lets them be.
        gap = (values[:, -1] - values[:, -2])[:, None, None]
        assert ((nearest_rotation(average) - expected) * gap).abs().max() < 1e-13


def test_what_determines_no_rotation_becomes_the_identity() -> None:
    # Nothing, all of the first column, and two half turns about axes at right angles.
    flat = torch.zeros(3, 3, 3, dtype=torch.float64)
    flat[1:, 0, 0] = torch.tensor([1.0, -1.0])
    expected = torch.eye(3, dtype=torch.float64).expand(3, 3, 3)
    assert torch.equal(nearest_rotation(flat), expected)
    assert nearest_rotation(torch.full((3, 3), torch.nan, dtype=torch.float64)).isnan().all()


def contacts(heights: Sequence[str]) -> list[str]:
    """The left heel's contact in motions of these heights, "x" on the ground and "." above it."""
    rows = FrameRows.of([len(motion) for motion in heights])
    low = torch.tensor([mark == "x" for motion in heights for mark in motion])
    levels = torch.where(low, 0.0, 1.0).double()[:, None].expand(-1, 6)
    still = torch.zeros(len(low), 3, dtype=torch.float64)
    found = foot_contacts(levels, still[:, None].expand(-1, 6, 3), still, rows, GENERATED)
    marks = "".join("x" if one else "." for one in found[:, 0, 0].tolist())
    return [marks[int(a) : int(b) + 1] for a, b in _bounds(rows)]


def _bounds(rows: FrameRows) -> list[tuple[int, int]]:
    ends = torch.tensor(rows.lengths).cumsum(0).tolist()
    return [(end - length, end - 1) for end, length in zip(ends, rows.lengths, strict=True)]


def test_short_gaps_are_filled_before_short_contacts_are_dropped() -> None:
    pairs = {
        "xxx..xxx....": "xxxxxxxx....",
        "xxx...xxx...": "xxx...xxx...",
        ".xx...x..x..": "......xxxx..",
        "xx....xxx.xx": "......xxxxxx",
        # A gap that begins or ends a motion is none, and the next motion's contact counts not.
        "..xxx....xxx": "..xxx....xxx",
        "..xxxx.....x": "..xxxx......",
        "xx.........x": "............",
    }
    assert contacts(list(pairs)) == list(pairs.values())
