"""Quality as the worker hands it to the store."""

from __future__ import annotations

import numpy as np
import pytest

from hymotion.body.motion import Motion
from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from jobs.domain.attempts import Quality
from worker.engine.measures import qualities
from worker.errors import NotFiniteError

FRAMES = 30
UPRIGHT = np.array([1, 0, 0, 1, 0, 0], np.float32)  # rows of the first two columns of the identity


def body(*, glide: float = 0.0, lift: float = 0.0) -> Motion:
    """A body at rest that moves `glide` metres a frame sideways, `lift` metres above the ground."""
    trans = np.zeros((FRAMES, 3), np.float32)
    trans[:, 0] = glide * np.arange(FRAMES)
    trans[:, 1] = PELVIS_HEIGHT + lift
    joints = BODY.joints.numpy().astype(np.float32) + trans[:, None]
    return Motion(rot6d=np.tile(UPRIGHT, (FRAMES, 22, 1)), trans=trans, joints=joints)


def broken() -> Motion:
    """A motion with one number that is none."""
    found = body()
    found.joints[3, 4, 1] = np.nan
    return found


def test_every_figure_has_its_place_and_unit() -> None:
    still, gliding = qualities([body(), body(glide=0.01)])
    assert still == Quality(skate_mm=0.0, penetration_mm=still.penetration_mm, jitter=0.0)
    assert gliding.skate_mm == pytest.approx(10.0, abs=1e-3)
    assert still.penetration_mm == pytest.approx(0.0, abs=1e-3)
    shaking = body()
    shaking.joints[::2, :, 1] += 0.001
    # Third differences of 0, 1, 0, 1 … mm are 4 mm long; 30³ of them a second.
    (shaken,) = qualities([shaking])
    assert shaken.jitter == pytest.approx(0.004 * 30**3, rel=1e-3)


def test_motions_that_are_not_finite_are_named() -> None:
    with pytest.raises(NotFiniteError, match="jobs 1, 3 of the pack") as caught:
        qualities([body(), broken(), body(), broken()])
    assert caught.value.indices == (1, 3)


def test_no_motions_have_no_quality() -> None:
    assert qualities([]) == []
