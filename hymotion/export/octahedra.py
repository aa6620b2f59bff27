"""A mesh for a skeleton, with an octahedron along every bone, for viewers to display."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hymotion.body.skeleton import Skeleton

Floats = NDArray[np.float64]

LIMB, TRUNK = (0.2, 0.018, 0.055), (0.5, 0.045, 0.085)
"""Largest half-width of a bone as a fraction of its length, with lower and upper bounds in metres,
for limbs and for the short bones from the pelvis to the head."""

WAIST = 0.3
"""Position of the thickest point along a bone, as a fraction."""

LEFT, RIGHT, MIDDLE = (0.80, 0.28, 0.06), (0.07, 0.27, 0.66), (0.42, 0.44, 0.48)
"""Linear RGB colours of left limbs, right limbs and the rest."""

SHORTEST = 1e-6
"""A bone below this length, metres, has no direction and is left out."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in the coordinates of the skeleton at rest, without shared vertices.

    Attributes:
        points: (V, 3) metres.
        normals: (V, 3) unit, outwards.
        colours: (V, 3) linear RGB.
        joints: (V,) the joint each vertex moves with.
    """

    points: Floats
    normals: Floats
    colours: Floats
    joints: NDArray[np.int64]


@lru_cache(maxsize=16)
def octahedra(skeleton: Skeleton) -> Mesh:
    """A mesh with one octahedron for each bone and tip, fully bound to the bone's joint."""
    rest = skeleton.joints.numpy()
    ends = [
        (skeleton.parents[joint], joint, rest[joint]) for joint in range(1, len(skeleton.parents))
    ]
    ends += [(tip.joint, tip.joint, rest[tip.joint] + np.array(tip.offset))
             for tip in skeleton.tips]  # fmt: skip
    bones = [bone for bone in ends if np.linalg.norm(bone[2] - rest[bone[0]]) > SHORTEST]
    colours = [_colour(skeleton.names[end]) for _, end, _ in bones]
    points = np.concatenate(
        [
            _octahedron(rest[joint], end, TRUNK if colour == MIDDLE else LIMB)
            for (joint, _, end), colour in zip(bones, colours, strict=True)
        ]
    )
    corners = points.reshape(-1, 3, 3)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    vertices = len(points) // len(bones)
    return Mesh(
        points=points,
        normals=np.repeat(normals, 3, axis=0),
        colours=np.repeat(np.array(colours), vertices, axis=0),
        joints=np.repeat(np.array([joint for joint, _, _ in bones]), vertices),
    )


def _octahedron(start: Floats, end: Floats, build: tuple[float, float, float]) -> Floats:
    """(24, 3): eight triangles, counter-clockwise seen from outside."""
    along = end - start
    length = float(np.linalg.norm(along))
    axis = along / length
    # The coordinate axis least parallel to the bone gives a well-conditioned cross section.
    across = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    across /= np.linalg.norm(across)
    other = np.cross(axis, across)
    share, least, most = build
    width = float(np.clip(length * share, least, most))
    middle = start + along * WAIST
    ring = [middle + width * each for each in (across, other, -across, -other)]
    sides = [(ring[k], ring[(k + 1) % 4]) for k in range(4)]
    triangles = [(first, second, end) for first, second in sides]
    triangles += [(second, first, start) for first, second in sides]
    return np.array(triangles).reshape(-1, 3)


def _colour(name: str) -> tuple[float, float, float]:
    """Colour by the body side in the joint's name, in any of the naming schemes."""
    bare = name.rpartition(":")[2].lower()
    if bare.startswith(("l_", "left")):
        return LEFT
    return RIGHT if bare.startswith(("r_", "right")) else MIDDLE
