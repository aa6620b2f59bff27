"""The paired error against differences made on purpose."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hymotion.errors import MeasureError
from hymotion.metrics import PairedError, paired_error
from tests.unit.hymotion.metrics.bodies import acting, posed, shifted, standing


def test_a_run_is_no_way_from_itself() -> None:
    motion = acting("march", seed=3)
    assert paired_error(motion, motion) == PairedError(
        joints_mean=0, joints_max=0, rotation_mean=0, rotation_max=0
    )


def test_a_shift_is_millimetres_and_no_rotation() -> None:
    motion = standing()
    way = torch.zeros(40, 3)
    way[:20, 0] = 0.01
    error = paired_error(motion, shifted(motion, way))
    assert error.joints_mean == pytest.approx(5, rel=1e-4)
    assert error.joints_max == pytest.approx(10, rel=1e-4)
    assert error.rotation_max == 0


@pytest.mark.parametrize("degrees", [0.01, 3.0, 120.0, 180.0])
def test_a_turned_joint_is_its_angle(degrees: float) -> None:
    turns = torch.zeros(30, 22, 3, dtype=torch.float64)
    straight = posed(turns, torch.zeros(30, 3))
    turns[:, 18, 1] = math.radians(degrees)
    error = paired_error(straight, posed(turns, torch.zeros(30, 3)))
    assert error.rotation_max == pytest.approx(degrees, rel=1e-3)
    assert error.rotation_mean == pytest.approx(degrees / 22, rel=1e-3)
    # The wrist hangs on the elbow, 0.25 m away.
    assert error.joints_max == pytest.approx(
        2 * math.sin(math.radians(degrees) / 2) * math.hypot(0.25, 0.01) * 1000, rel=1e-3
    )


def test_runs_of_other_lengths_or_rates_or_without_numbers_are_refused() -> None:
    motion = standing()
    with pytest.raises(MeasureError, match="same request"):
        paired_error(motion, standing(41))
    with pytest.raises(MeasureError, match="same request"):
        paired_error(motion, replace(motion, fps=60))
    with pytest.raises(MeasureError, match="other run is not finite") as caught:
        paired_error(motion, replace(motion, joints=np.full_like(motion.joints, np.inf)))
    assert caught.value.field == "other"
