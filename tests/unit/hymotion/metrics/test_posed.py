"""Packs: motions of several lengths measured at once, against the values of one by one.

`measured.npz` holds what this library computed before it measured packs: skate, penetration and
jitter of seven motions (NaN: no foot ever touches), and of the first six the mean squares of
their features and their sums in the space of the shipped reference.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import matrix_from_rot6d
from hymotion.body.skeleton import BODY
from hymotion.decoding.kinematics import Pose
from hymotion.decoding.rows import FrameRows
from hymotion.errors import MeasureError
from hymotion.metrics import Quality, load_reference, measure
from hymotion.metrics.features import motion_features
from hymotion.metrics.posed import PosedMotions
from hymotion.metrics.quality import measure_all
from tests.unit.hymotion.metrics.bodies import posed, standing

RECORDED = Path(__file__).with_name("measured.npz")
DECODED = RECORDED.parents[1] / "decoding" / "decoded.npz"


def numbers(path: Path) -> dict[str, Tensor]:
    with np.load(path) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


@pytest.fixture(scope="module")
def motions() -> list[Motion]:
    """Those of the record: five of 24 to 60 frames, one upside down, one of 11 frames."""
    found = numbers(DECODED)
    pose = Pose.of(matrix_from_rot6d(found["rot6d"]), found["trans"], BODY)
    lengths = found["lengths"].tolist()
    decoded = Motion.split(pose.matrices, pose.trans, pose.world, lengths=lengths)
    turns = torch.zeros(40, 22, 3, dtype=torch.float64)
    turns[:, 0, 0] = torch.pi
    sway = torch.sin(torch.arange(40, dtype=torch.float64))[:, None]
    upside_down = posed(turns, sway * torch.tensor([0.5, 0.1, 0.0]), grounded=True)
    short = decoded.pop(lengths.index(11))
    return [*decoded, upside_down, short]


def figures(qualities: list[Quality]) -> Tensor:
    kept = [(one.skate, one.penetration, one.jitter) for one in qualities]
    return torch.tensor([[torch.nan if each is None else each for each in one] for one in kept])


def close(ours: Tensor, theirs: Tensor) -> bool:
    return torch.allclose(ours.double(), theirs.double(), rtol=1e-6, atol=1e-9, equal_nan=True)


def test_a_pack_has_the_qualities_recorded_one_by_one(motions: list[Motion]) -> None:
    quality = numbers(RECORDED)["quality"]
    assert quality[:, 0].isnan().tolist() == [False] * 5 + [True, False]
    assert close(figures(measure_all(PosedMotions.of(motions))), quality)
    assert close(figures([measure(motion) for motion in motions]), quality)


def test_a_pack_has_the_features_recorded_one_by_one(motions: list[Motion]) -> None:
    found, reference = numbers(RECORDED), load_reference()
    pack = PosedMotions.of(motions[:6])
    features = pack.rows.mean(motion_features(pack).double().square())
    assert close(features, found["features"])
    sums = reference.summaries(pack)
    rows, columns = torch.triu_indices(33, 33)
    assert sums.count.tolist() == found["windows"].tolist()
    # A sum of coordinates of both signs is as exact as the largest of them.
    for ours, theirs in ((sums.first, "total"), (sums.second[:, rows, columns], "outer")):
        scale = found[theirs].abs().amax(1, keepdim=True)
        assert close(ours / scale, found[theirs] / scale)
    for motion, total in zip(motions, sums.first, strict=False):
        assert torch.allclose(reference.summary(motion).total, total, rtol=0, atol=1e-6)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["rot6d", "trans", "joints"])
def test_motions_that_are_not_finite_do_not_disturb_the_others(
    motions: list[Motion], name: str, number: float
) -> None:
    alone = measure_all(PosedMotions.of(motions))
    for place in (0, 2, 6):
        for frame in (0, -1):
            array = getattr(motions[place], name).copy()
            array[frame, 1] = number
            pack = list(motions)
            pack[place] = replace(motions[place], **{name: array})
            qualities = measure_all(PosedMotions.of(pack))
            assert qualities.pop(place) == Quality(finite=False)
            assert qualities == alone[:place] + alone[place + 1 :]


def test_a_quantile_of_each_motion_is_that_of_torch() -> None:
    lengths = [1, 2, 11, 40, 3]
    values = torch.randn(57, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for share in (0.0, 0.1, 0.5, 1.0):
        each = torch.stack([part.quantile(share) for part in values.split(lengths)])
        assert torch.equal(FrameRows.of(lengths).quantile(values, share), each)


def test_motions_of_different_kinds_are_not_measured_together() -> None:
    with pytest.raises(MeasureError, match="of one kind"):
        PosedMotions.of([standing(), replace(standing(), fps=60)])
