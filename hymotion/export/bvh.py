"""The `.bvh` format: a skeleton and its angles, for animation programs.

Lengths are centimetres unless asked otherwise: that is what MotionBuilder and Maya take a BVH
to be in; in Blender's importer set Scale to 0.01 to get metres. Y is up and the body faces
+Z at rest (with Z up it faces −Y). The root's OFFSET is zero and its position channels are the
pelvis in the world, so programs that add the two and programs that let one replace the other
agree. Each joint turns by Rz · Rx · Ry, in the order of its channels, in degrees.
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
    file.writelines(
        " ".join(f"{value:.6f}" for value in frame) + "\n"
        for frame in np.concatenate((root, degrees), axis=1)
    )


def _joint(skeleton: Skeleton, joint: int, depth: int, scale: float) -> Iterator[str]:
    """Lines of a joint and of all below it."""
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
        # The format wants an end for every chain; a joint without a known tip ends in itself.
        tips = [tip.offset for tip in skeleton.tips if tip.joint == joint] or [(0.0, 0.0, 0.0)]
        yield f"{inner}End Site"
        yield f"{inner}{{"
        yield f"{inner}{INDENT}{_offset(list(tips[0]), scale)}"
        yield f"{inner}}}"
    yield f"{pad}}}"


def _offset(metres: list[float], scale: float) -> str:
    return "OFFSET " + " ".join(f"{value * scale:.6f}" for value in metres)


def _depth_first(skeleton: Skeleton, joint: int) -> list[int]:
    """Joints in the order in which the hierarchy names them, which is that of the channels."""
    below = [_depth_first(skeleton, child) for child in skeleton.children(joint)]
    return [joint, *(index for chain in below for index in chain)]


def unwrapped_degrees(matrices: Tensor) -> NDArray[np.float64]:
    """(L, J, 3, 3) → (L, J, 3) angles (z, x, y) in degrees with matrix = Rz · Rx · Ry.

    Each angle triple has a twin, (z + 180, 180 − x, y + 180), that means the same; of the two
    and their whole turns the one nearest to the frame before is taken.
    """
    angles: NDArray[np.float64] = np.degrees(euler_zxy_from_matrix(matrices).double().numpy())
    for frame in range(1, len(angles)):
        before = angles[frame - 1]
        z, x, y = np.moveaxis(angles[frame], -1, 0)
        twins = np.stack((angles[frame], np.stack((z + 180, 180 - x, y + 180), axis=-1)))
        near = twins - 360 * np.round((twins - before) / 360)
        second = np.abs(near[1] - before).sum(-1) < np.abs(near[0] - before).sum(-1)
        angles[frame] = np.where(second[:, None], near[1], near[0])
    return angles
