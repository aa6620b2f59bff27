"""The `.glb` format: glTF 2.0 in one file, with a skeleton, a mesh bound to it and one animation.

Written from the Khronos glTF 2.0 specification. The nodes are the joints, at rest in a T-pose
that stands on the ground; an octahedron along each bone is skinned to them, left limbs
orange and right limbs blue. The animation turns every joint and moves the root. glTF is defined
in metres with Y up; other options are written as asked, and viewers will show what they mean
by them. Metadata is in `asset.extras`. The same motion, metadata and options give the same bytes.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hymotion.body.motion import Motion
from hymotion.body.rotation import quaternion_from_matrix
from hymotion.body.skeleton import Skeleton
from hymotion.errors import ExportError
from hymotion.export.npz import Metadata
from hymotion.export.octahedra import octahedra
from hymotion.export.options import AS_IT_IS, ExportOptions
from hymotion.export.preparation import prepared

UNIT = "m"
MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
FLOAT, UNSIGNED_BYTE = 5126, 5121
ARRAY_BUFFER = 34962
KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
GENERATOR = "HyMo"
MOST_JOINTS = 256

Floats = NDArray[np.float64]


def write_glb(
    motion: Motion, file: BinaryIO, *, metadata: Metadata, options: ExportOptions = AS_IT_IS
) -> None:
    """Write a motion and its metadata to a binary file.

    Raises:
        ExportError: a value of the metadata is neither text nor a finite number, or the skeleton
            has more joints than a byte can count.
    """
    motion = prepared(motion, options)
    if len(motion.skeleton.names) > MOST_JOINTS:
        raise ExportError(
            f"the skeleton has {len(motion.skeleton.names)} joints",
            mend=f"Use one of at most {MOST_JOINTS}",
        )
    scale = options.units(UNIT)
    buffer = _Buffer()
    lift = _lift(motion.skeleton, options.up)
    document = {
        "asset": {
            "version": "2.0",
            "generator": GENERATOR,
            "extras": dict(sorted(metadata.items())),
        },
        "scene": 0,
        "scenes": [{"nodes": [0, len(motion.skeleton.names)]}],
        "nodes": _nodes(motion.skeleton, lift * scale, scale),
        "meshes": [_mesh(motion.skeleton, lift, scale, buffer)],
        "materials": [_material()],
        "skins": [_skin(motion.skeleton, lift, scale, buffer)],
        "animations": [_animation(motion, scale, buffer)],
    }
    _write_container(file, document, buffer)


@dataclass(eq=False)
class _Buffer:
    """The binary chunk as it grows, and the views and accessors that say what is where."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(self, rows: NDArray[Any], *, vertices: bool = False, bounds: bool = False) -> int:
        """Append (N, K) float32 or uint8 numbers; the index of their accessor.

        Args:
            rows: K of a `KINDS`; matrices column by column.
            vertices: whether a mesh is drawn from them.
            bounds: whether to say their minimum and maximum, as the format wants for some.
        """
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": rows.nbytes}
        self.views.append(view | ({"target": ARRAY_BUFFER} if vertices else {}))
        self.data += np.ascontiguousarray(rows).tobytes()
        self.data += bytes(-len(self.data) % 4)
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": FLOAT if rows.dtype.kind == "f" else UNSIGNED_BYTE,
            "count": len(rows),
            "type": KINDS[rows.shape[1]],
        }
        if bounds:
            accessor |= {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _lift(skeleton: Skeleton, up: str) -> Floats:
    """What puts the skeleton at rest on the ground, metres."""
    axis = "xyz".index(up)
    rest = skeleton.joints.numpy()
    ends = [rest[tip.joint] + np.array(tip.offset) for tip in skeleton.tips]
    lift: Floats = -np.eye(3)[axis] * min(float(point[axis]) for point in (*rest, *ends))
    return lift


def _nodes(skeleton: Skeleton, lift: Floats, scale: float) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(skeleton.names):
        offset = skeleton.offsets[joint].numpy() * scale + (0.0 if joint else lift)
        node: dict[str, Any] = {"name": name, "translation": offset.tolist()}
        children = skeleton.children(joint)
        nodes.append(node | ({"children": list(children)} if children else {}))
    return [*nodes, {"name": "Body", "mesh": 0, "skin": 0}]


def _mesh(skeleton: Skeleton, lift: Floats, scale: float, buffer: _Buffer) -> dict[str, Any]:
    mesh = octahedra(skeleton)
    joints = np.zeros((len(mesh.joints), 4), dtype=np.uint8)
    joints[:, 0] = mesh.joints
    weights = np.zeros((len(mesh.joints), 4), dtype="<f4")
    weights[:, 0] = 1
    points = ((mesh.points + lift) * scale).astype("<f4")
    attributes = {
        "POSITION": buffer.add(points, vertices=True, bounds=True),
        "NORMAL": buffer.add(mesh.normals.astype("<f4"), vertices=True),
        "COLOR_0": buffer.add(mesh.colours.astype("<f4"), vertices=True),
        "JOINTS_0": buffer.add(joints, vertices=True),
        "WEIGHTS_0": buffer.add(weights, vertices=True),
    }
    return {"name": "Body", "primitives": [{"attributes": attributes, "material": 0}]}


def _material() -> dict[str, Any]:
    surface = {"baseColorFactor": [1, 1, 1, 1], "metallicFactor": 0, "roughnessFactor": 0.7}
    return {"name": "Body", "pbrMetallicRoughness": surface}


def _skin(skeleton: Skeleton, lift: Floats, scale: float, buffer: _Buffer) -> dict[str, Any]:
    inverse = np.tile(np.eye(4), (len(skeleton.names), 1, 1))
    inverse[:, :3, 3] = -(skeleton.joints.numpy() + lift) * scale
    columns = inverse.transpose(0, 2, 1).reshape(-1, 16).astype("<f4")
    return {
        "name": "Skeleton",
        "inverseBindMatrices": buffer.add(columns),
        "joints": list(range(len(skeleton.names))),
        "skeleton": 0,
    }


def _animation(motion: Motion, scale: float, buffer: _Buffer) -> dict[str, Any]:
    moments = (np.arange(motion.frames) / motion.fps).astype("<f4")[:, None]
    time = buffer.add(moments, bounds=True)
    root = (motion.joints[:, 0].astype(np.float64) * scale).astype("<f4")
    outputs = [(0, "translation", buffer.add(root))]
    quaternions = _continuous(quaternion_from_matrix(motion.matrices()).numpy())
    for joint in range(quaternions.shape[1]):
        # glTF wants x, y, z, w.
        turns = np.roll(quaternions[:, joint], -1, axis=-1).astype("<f4")
        outputs.append((joint, "rotation", buffer.add(turns)))
    return {
        "name": "Motion",
        "samplers": [
            {"input": time, "output": output, "interpolation": "LINEAR"} for _, _, output in outputs
        ],
        "channels": [
            {"sampler": sampler, "target": {"node": joint, "path": path}}
            for sampler, (joint, path, _) in enumerate(outputs)
        ],
    }


def _continuous(quaternions: Floats) -> Floats:
    """(L, J, 4) with signs such that neighbouring frames are on the same side."""
    products = (quaternions[1:] * quaternions[:-1]).sum(-1)
    signs = np.cumprod(np.where(products < 0, -1.0, 1.0), axis=0)
    return np.concatenate((quaternions[:1], quaternions[1:] * signs[..., None]))


def _write_container(file: BinaryIO, document: dict[str, Any], buffer: _Buffer) -> None:
    parts = {
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    try:
        text = json.dumps(document | parts, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ExportError(
            f"metadata cannot be JSON: {error}", mend="Give text or numbers"
        ) from error
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(buffer.data)
    file.write(struct.pack("<III", MAGIC, VERSION, size))
    file.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
    file.write(struct.pack("<II", len(buffer.data), BINARY_CHUNK) + bytes(buffer.data))
