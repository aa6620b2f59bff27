"""Paired error: two runs from the same noise, frame by frame."""

import math
from dataclasses import dataclass

import numpy as np

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError

MILLIMETRES = 1000.0


@dataclass(frozen=True, kw_only=True)
class PairedError:
    """How far one run is from the reference run of the same request.

    Attributes:
        joints_mean: mean distance of a joint in the world, mm.
        joints_max: the largest distance of any joint in any frame, mm.
        rotation_mean: mean angle between local rotations, degrees.
        rotation_max: the largest of these angles, degrees.
    """

    joints_mean: float
    joints_max: float
    rotation_mean: float
    rotation_max: float


def paired_error(reference: Motion, other: Motion) -> PairedError:
    """Compare a run, say in bfloat16, with the float32 run of the same prompt, seed and steps.

    Angles come from the chord, 2·asin(‖A − B‖ / √8), which unlike the arc cosine of the trace
    keeps its precision where the rotations nearly agree.

    Raises:
        MeasureError: the motions differ in length, frame rate or joints, or are not finite.
    """
    _check_pair(reference, other)
    distance = np.linalg.norm(
        reference.joints.astype(np.float64) - other.joints.astype(np.float64), axis=-1
    )
    chord = (reference.matrices() - other.matrices()).flatten(-2).norm(dim=-1)
    angle = 2 * (chord / math.sqrt(8)).clamp(max=1).asin() * (180 / math.pi)
    return PairedError(
        joints_mean=float(distance.mean()) * MILLIMETRES,
        joints_max=float(distance.max()) * MILLIMETRES,
        rotation_mean=float(angle.mean()),
        rotation_max=float(angle.max()),
    )


def _check_pair(reference: Motion, other: Motion) -> None:
    ours, theirs = ((m.joints.shape, m.rot6d.shape, m.fps) for m in (reference, other))
    if ours != theirs:
        raise MeasureError(
            f"the runs differ in shape or frame rate: {ours} and {theirs}",
            mend="Compare runs of the same request",
            field="motion",
            value=(ours, theirs),
        )
    for name, motion in (("reference", reference), ("other", other)):
        if not (np.isfinite(motion.joints).all() and np.isfinite(motion.rot6d).all()):
            raise MeasureError(
                f"the {name} run is not finite",
                mend="Count it as failed; there is no distance to it",
                field=name,
                value="not finite",
            )
