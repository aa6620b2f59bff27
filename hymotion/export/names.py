"""Names of the 22 joints in other programs.

| ours | SMPL-H | HumanIK | Mixamo |
|---|---|---|---|
| Pelvis | pelvis | Hips | mixamorig:Hips |

and so on for each joint, in the order of `hymotion.body.skeleton.BODY`; docs/formats.md has the
whole table. SMPL-H's names are those of the `smplx` package. MotionBuilder and Maya recognise
HumanIK's names when a character is defined; Mixamo's are the same with a namespace. All four have
three vertebrae and one neck joint.
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
"""Naming scheme → names of the 22 joints, in our order."""
