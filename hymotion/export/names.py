"""What other programs call the 22 joints.

| ours | SMPL-H | HumanIK | Mixamo |
|---|---|---|---|
| Pelvis | pelvis | Hips | mixamorig:Hips |

and so on for each joint, in the order of `hymotion.body.skeleton.BODY`; docs/formats.md has the
whole table. SMPL-H's are the names of the `smplx` package. HumanIK's are those that MotionBuilder
and Maya find by themselves when a character is defined; Mixamo's are the same behind a namespace.
Three vertebrae and one neck joint are what all four have in common.
"""

from collections.abc import Mapping
from types import MappingProxyType

from hymotion.body.skeleton import BODY

SMPLH: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar",
    "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist",
)  # fmt: skip

HIK: tuple[str, ...] = (
    "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot",
    "RightFoot", "Spine2", "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder",
    "Head", "LeftArm", "RightArm", "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
)  # fmt: skip

JOINT_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "own": BODY.names,
        "smplh": SMPLH,
        "mixamo": tuple(f"mixamorig:{name}" for name in HIK),
        "hik": HIK,
    }
)
"""Scheme → the names of the 22 joints in our order."""
