"""From a captured body to ours: the same bone directions, our bone lengths."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.rotation import shortest_turn
from hymotion.body.skeleton import BODY
from hymotion.config import FPS
from hymotion.training.errors import MocapError
from hymotion.training.mocap.capture import Capture
from hymotion.training.mocap.clip import Clip
from hymotion.training.mocap.ground import grounded

L_HIP, R_HIP = BODY.names.index("L_Hip"), BODY.names.index("R_Hip")


@dataclass(frozen=True)
class Rig:
    """Which source joint drives which of ours.

    Attributes:
        drives: our joint → the source's; a joint not named keeps its parent's rotation.
        bones: our joint → (our child, the source's child): bones whose direction is kept
            exactly, whatever the rest poses are. Other joints take the source's world
            rotation as it is.
    """

    drives: Mapping[str, str]
    bones: Mapping[str, tuple[str, str]]


def _limbs(leg: tuple[str, str, str], arm: tuple[str, str, str]) -> Rig:
    """A rig's limbs: three source joints each, with {s} for l or r, {side} for left or right."""
    drives: dict[str, str] = {}
    bones: dict[str, tuple[str, str]] = {}
    for side in ("L", "R"):
        short = side.lower()
        side_name = {"l": "left", "r": "right"}[short]
        names = [name.format(s=short, side=side_name) for name in leg + arm]
        ours = [f"{side}_{joint}" for joint in ("Hip", "Knee", "Ankle")]
        arms = [f"{side}_{joint}" for joint in ("Shoulder", "Elbow", "Wrist")]
        drives |= dict(zip(ours + arms[:2], names[:5], strict=True))
        for chain, source in ((ours, names[:3]), (arms, names[3:])):
            for index in range(2):
                bones[chain[index]] = (chain[index + 1], source[index + 1])
    return Rig(drives, bones)


_CMU_LIMBS = _limbs(("{s}Thigh", "{s}Shin", "{s}Foot"), ("{s}Shldr", "{s}ForeArm", "{s}Hand"))
_DEEPMIMIC_LIMBS = _limbs(
    ("{side}_hip", "{side}_knee", "{side}_ankle"),
    ("{side}_shoulder", "{side}_elbow", "{side}_wrist"),
)

CMU = Rig(
    drives={
        "Pelvis": "hip",
        "Spine2": "abdomen",
        "Spine3": "chest",
        "Neck": "neck",
        "Head": "head",
        "L_Collar": "lCollar",
        "R_Collar": "rCollar",
        "L_Wrist": "lHand",
        "R_Wrist": "rHand",
        **_CMU_LIMBS.drives,
    },
    bones=_CMU_LIMBS.bones,
)
DEEPMIMIC = Rig(
    drives={"Pelvis": "root", "Spine2": "chest", "Neck": "neck", **_DEEPMIMIC_LIMBS.drives},
    bones=_DEEPMIMIC_LIMBS.bones,
)


def retarget(capture: Capture, rig: Rig, *, name: str, source: str, take: str) -> Clip:
    """The capture on our skeleton at 30 fps, on the ground.

    The world rotation of a driven joint is the source's times a constant that takes our bone's
    direction at rest to the source's. The hips' centre keeps its path, scaled by the ratio of
    the legs' lengths, so that steps stay as long as the legs make them.

    Raises:
        MocapError: the capture lacks a joint of the rig.
    """
    missing = sorted(set(rig.drives.values()) - set(capture.names))
    if missing:
        raise MocapError(
            f"has no joint {', '.join(missing)}", mend="Use the rig of this source", where=name
        )
    capture = capture.resampled(FPS)
    rotations = _local(_world(capture, rig))
    hips = [capture.names.index(rig.drives[joint]) for joint in ("L_Hip", "R_Hip")]
    centre = capture.positions[:, hips].mean(1) * leg_scale(capture, rig)
    ours = BODY.joints[[L_HIP, R_HIP]].mean(0)
    clip = Clip(name, source, take, rotations, centre - rotations[:, 0] @ ours)
    return grounded(clip)


def leg_scale(capture: Capture, rig: Rig) -> float:
    """Our thigh and shin over the source's."""
    ours = theirs = 0.0
    for joint in ("L_Hip", "L_Knee"):
        child, source = rig.bones[joint]
        ours += float(BODY.offsets[BODY.names.index(child)].norm())
        theirs += float(capture.offsets[capture.names.index(source)].norm())
    return ours / theirs


def _world(capture: Capture, rig: Rig) -> dict[int, Tensor]:
    """(L, 3, 3) world rotations of the driven joints."""
    turns: dict[int, Tensor] = {}
    for joint, source in rig.drives.items():
        turn = capture.turns[:, capture.names.index(source)]
        if joint in rig.bones:
            child, end = rig.bones[joint]
            turn = turn @ shortest_turn(
                BODY.offsets[BODY.names.index(child)], capture.offsets[capture.names.index(end)]
            )
        turns[BODY.names.index(joint)] = turn
    return turns


def _local(turns: dict[int, Tensor]) -> Tensor:
    """(L, 22, 3, 3) local rotations of world rotations; who has none keeps the parent's."""
    world: list[Tensor] = []
    local: list[Tensor] = []
    for joint, parent in enumerate(BODY.parents):
        above = world[parent] if parent >= 0 else torch.eye(3, dtype=torch.float64)
        world.append(turns.get(joint, above))
        local.append(above.mT @ world[joint])
    return torch.stack(local, dim=1)
