"""Reader of BVH text, as the cgspeed conversion of the CMU database writes it.

Centimetres, Y up, facing +Z at rest. End sites become joints named after their parent with
`_end`, since the foot's direction is known from nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from hymotion.training.errors import MocapError
from hymotion.training.mocap.capture import Capture

METRES = 0.01
MEND = "Use a BVH file with one HIERARCHY and one MOTION block"
AXES = {"X": 0, "Y": 1, "Z": 2}
CHANNELS = frozenset(f"{axis}{kind}" for axis in AXES for kind in ("position", "rotation"))


@dataclass(frozen=True)
class _Joint:
    """A line of the hierarchy: its channels are empty at an end site."""

    name: str
    parent: int
    offset: list[float] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)


def read_bvh(text: str, *, where: str) -> Capture:
    """The capture of a BVH text.

    Args:
        text: the whole file.
        where: the file's name, for errors.

    Raises:
        MocapError: it is no BVH, or numbers are missing.
    """
    head, found, body = text.partition("MOTION")
    if not found or not head.strip().startswith("HIERARCHY"):
        raise MocapError("is no BVH text", mend=MEND, where=where)
    try:
        joints = _hierarchy(iter(head.split()))
        numbers, seconds = _motion(body, sum(len(joint.channels) for joint in joints))
    except (ValueError, StopIteration, IndexError, KeyError) as error:
        raise MocapError(f"is damaged ({error})", mend=MEND, where=where) from error
    return Capture(
        names=tuple(joint.name for joint in joints),
        parents=tuple(joint.parent for joint in joints),
        offsets=torch.tensor([joint.offset for joint in joints], dtype=torch.float64) * METRES,
        rotations=_rotations(joints, numbers),
        root=_root(joints[0], numbers) * METRES,
        times=torch.arange(len(numbers), dtype=torch.float64) * seconds,
    )


def _hierarchy(words: Iterator[str]) -> list[_Joint]:
    """The joints in file order, which is that of the channels."""
    joints: list[_Joint] = []
    open_joints: list[int] = []
    for word in words:
        if word in {"ROOT", "JOINT", "End"}:
            parent = open_joints[-1] if open_joints else -1
            name = next(words)
            if word == "End":
                name = f"{joints[parent].name}_end"
            joints.append(_Joint(name, parent))
        elif word == "{":
            open_joints.append(len(joints) - 1)
        elif word == "}":
            open_joints.pop()
        elif word == "OFFSET":
            joints[-1].offset.extend(float(next(words)) for _ in range(3))
        elif word == "CHANNELS":
            count = int(next(words))
            channels = [next(words) for _ in range(count)]
            if not CHANNELS.issuperset(channels):
                raise ValueError(f"unknown channels {', '.join(channels)}")
            joints[-1].channels.extend(channels)
    if open_joints or not joints:
        raise ValueError("braces of the hierarchy do not close")
    return joints


def _motion(body: str, channels: int) -> tuple[Tensor, float]:
    """(L, channels) numbers and the seconds of a frame."""
    words = body.split()
    if words[0] != "Frames:" or words[2:4] != ["Frame", "Time:"]:
        raise ValueError("no Frames and Frame Time")
    frames, seconds = int(words[1]), float(words[4])
    values = np.array(words[5:], dtype=np.float64)
    if frames < 2 or values.size != frames * channels:
        raise ValueError(f"{values.size} numbers for {frames} frames of {channels} channels")
    return torch.from_numpy(values.reshape(frames, channels)), seconds


def _rotations(joints: list[_Joint], numbers: Tensor) -> Tensor:
    """(L, J, 3, 3): each joint's rotation channels multiplied in their order."""
    turns: list[Tensor] = []
    place = 0
    for joint in joints:
        turn = torch.eye(3, dtype=torch.float64).expand(len(numbers), 3, 3)
        for channel in joint.channels:
            if channel.endswith("rotation"):
                turn = turn @ axis_turn(AXES[channel[0]], torch.deg2rad(numbers[:, place]))
            place += 1
        turns.append(turn)
    return torch.stack(turns, dim=1)


def _root(joint: _Joint, numbers: Tensor) -> Tensor:
    """(L, 3) the root's position channels."""
    places = [joint.channels.index(f"{axis}position") for axis in "XYZ"]
    return numbers[:, places]


def axis_turn(axis: int, radians: Tensor) -> Tensor:
    """(L,) angles → (L, 3, 3) rotations about a coordinate axis."""
    after, last = (axis + 1) % 3, (axis + 2) % 3
    turn = torch.zeros(*radians.shape, 3, 3, dtype=radians.dtype)
    turn[..., axis, axis] = 1
    turn[..., after, after] = turn[..., last, last] = torch.cos(radians)
    turn[..., last, after] = torch.sin(radians)
    turn[..., after, last] = -torch.sin(radians)
    return turn
