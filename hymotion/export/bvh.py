"""The `.bvh` format: a skeleton and its angles, for animation programs.

Lengths are in centimetres by default, as MotionBuilder and Maya expect; in Blender's importer set
Scale to 0.01 to get metres. Y is up and the body faces +Z at rest (with Z up it faces −Y). The
root's OFFSET is zero and its position channels are the pelvis position in the world, so programs
that add the two agree with programs that replace one by the other. Each joint's rotation is
Rz · Rx · Ry, in the order of its channels, in degrees.
"""

from collections.abc import Iterator
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.body.rotation import euler_zxy_from_matrix
from hymotion.body.skeleton import Skeleton
from hymotion.export.options import AS_IT_IS, ExportOptions
from hymotion.export.preparation import prepared

UNIT = "cm"
ROTATION = "Zrotation Xrotation Yrotation"
INDENT = "  "


def write_bvh(motion: Motion, file: TextIO, *, options: ExportOptions = AS_IT_IS) -> None:
    """Write a motion to a text file; all characters are ASCII."""
    motion = prepared(motion, options)
    scale = options.units(UNIT)
    file.write("HIERARCHY\n")
    file.writelines(f"{line}\n" for line in _joint(motion.skeleton, 0, 0, scale))
    file.write(f"MOTION\nFrames: {motion.frames}\nFrame Time: {1 / motion.fps:.8f}\n")
    order = _depth_first(motion.skeleton, 0)
    degrees = unwrapped_degrees(motion.matrices())[:, order].reshape(motion.frames, -1)
    root = motion.joints[:, 0].astype(np.float64) * scale
    frames = np.concatenate((root, degrees), axis=1)
    # One format for all numbers: a fifth of the time of one a number.
    line = " ".join(["%.6f"] * frames.shape[1]) + "\n"
    file.write(line * motion.frames % tuple(frames.ravel().tolist()))


def _joint(skeleton: Skeleton, joint: int, depth: int, scale: float) -> Iterator[str]:
    """Lines of a joint and its descendants."""
    pad = INDENT * depth
    inner = pad + INDENT
    yield f"{pad}{'JOINT' if depth else 'ROOT'} {skeleton.names[joint]}"
    yield f"{pad}{{"
    if depth:
        yield f"{inner}{_offset(skeleton.offsets[joint].tolist(), scale)}"
        yield f"{inner}CHANNELS 3 {ROTATION}"
    else:
        yield f"{inner}{_offset([0.0, 0.0, 0.0], scale)}"
        yield f"{inner}CHANNELS 6 Xposition Yposition Zposition {ROTATION}"
    children = skeleton.children(joint)
    for child in children:
        yield from _joint(skeleton, child, depth + 1, scale)
    if not children:
        # The format requires an End Site for every chain; a joint without a known tip gets zero.
        tips = [tip.offset for tip in skeleton.tips if tip.joint == joint] or [(0.0, 0.0, 0.0)]
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}{INDENT}{_offset(list(tips[0]), scale)}"
        yield f"{inner}}}"
    yield f"{pad}}}"


def _offset(metres: list[float], scale: float) -> str:
    return "OFFSET " + " ".join(f"{value * scale:.6f}" for value in metres)


def _depth_first(skeleton: Skeleton, joint: int) -> list[int]:
    """Joints in the order of the hierarchy, which is also the order of the channels."""
    below = [_depth_first(skeleton, child) for child in skeleton.children(joint)]
    return [joint, *(index for chain in below for index in chain)]


def unwrapped_degrees(matrices: Tensor) -> NDArray[np.float64]:
    """(L, J, 3, 3) → (L, J, 3) angles (z, x, y) in degrees with matrix = Rz · Rx · Ry.

    (z + 180, 180 − x, y + 180) is the same rotation. Of the two triples, and of all full turns,
    the nearest to the previous frame is used.
    """
    angles: NDArray[np.float64] = np.degrees(euler_zxy_from_matrix(matrices).double().numpy())
    z, x, y = np.moveaxis(angles, -1, 0)
    twins = np.stack((z + 180, 180 - x, y + 180), axis=-1)
    stays, changes = (_distance(angles[:-1], later[1:]) for later in (angles, twins))
    # From a twin the distances are the same in reverse, so that a frame changes triples or not
    # whatever the frames before it did. Where both are equally near, the first is used.
    turns = (changes < stays).cumsum(0)
    level = np.maximum.accumulate(np.where(changes == stays, turns, 0))
    second = np.pad(turns - level, ((1, 0), (0, 0))) % 2 == 1
    angles = np.where(second[..., None], twins, angles)
    angles[1:] -= 360 * np.round(np.diff(angles, axis=0) / 360).cumsum(0)
    return angles


def _distance(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(…, 3), (…, 3) → (…): the sum of the differences of three angles in degrees, up to turns."""
    apart = other - one
    distance: NDArray[np.float64] = np.abs(apart - 360 * np.round(apart / 360)).sum(-1)
    return distance
