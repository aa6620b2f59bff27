"""The glb format, read back with an independent reader and kinematics written for the test."""

import io
from pathlib import Path

import numpy as np
import pygltflib
import pytest
from numpy.typing import NDArray

import hymotion
from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from hymotion.errors import ExportError
from hymotion.export import FORMATS, ExportOptions, write_glb
from tests.unit.hymotion.figures import rolling, walking, wild

Array = NDArray[np.float64]
TYPES = {5126: np.float32, 5121: np.uint8}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Scene:
    """A file as a viewer understands it."""

    def __init__(self, data: bytes) -> None:
        self.file = pygltflib.GLTF2.load_from_bytes(data)
        [self.skin] = self.file.skins
        [self.animation] = self.file.animations
        self.names = [self.file.nodes[node].name for node in self.skin.joints]

    def numbers(self, accessor: int) -> Array:
        """An accessor's rows."""
        found = self.file.accessors[accessor]
        view = self.file.bufferViews[found.bufferView]
        data = self.file.binary_blob()[view.byteOffset : view.byteOffset + view.byteLength]
        rows = np.frombuffer(data, TYPES[found.componentType])
        assert rows.size == found.count * WIDTHS[found.type]
        if found.min:
            assert np.array_equal(rows.reshape(found.count, -1).min(0), np.float32(found.min))
            assert np.array_equal(rows.reshape(found.count, -1).max(0), np.float32(found.max))
        return rows.reshape(found.count, -1).astype(np.float64)

    def times(self) -> Array:
        """When the frames are, the same for all channels."""
        [time] = {sampler.input for sampler in self.animation.samplers}
        return self.numbers(time)[:, 0]

    def poses(self) -> Array:
        """(L, J, 4, 4) every joint's transform to the world."""
        frames = len(self.times())
        moved = {}
        for channel in self.animation.channels:
            sampler = self.animation.samplers[channel.sampler]
            assert sampler.interpolation == "LINEAR"
            rows = self.numbers(sampler.output)
            assert len(rows) == frames
            moved[channel.target.node, channel.target.path] = rows
        parents = {child: at for at, node in enumerate(self.file.nodes) for child in node.children}
        world: dict[int, Array] = {}
        for node in self.skin.joints:
            local = np.tile(np.eye(4), (frames, 1, 1))
            rest = np.tile(self.file.nodes[node].translation, (frames, 1))
            local[:, :3, 3] = moved.get((node, "translation"), rest)
            local[:, :3, :3] = np.stack([turn(each) for each in moved[node, "rotation"]])
            parent = parents.get(node)
            world[node] = local if parent is None else world[parent] @ local
        return np.stack([world[node] for node in self.skin.joints], axis=1)

    def inverse_bind(self) -> Array:
        """(J, 4, 4), stored column by column."""
        return self.numbers(self.skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)


def turn(quaternion: Array) -> Array:
    """The matrix of (x, y, z, w), by rotating the axes: v + 2 u × (u × v + w v)."""
    u, w = quaternion[:3], quaternion[3]
    assert abs(np.linalg.norm(quaternion) - 1) < 1e-6
    return np.stack([v + 2 * np.cross(u, np.cross(u, v) + w * v) for v in np.eye(3)], axis=1)


def written(motion: hymotion.Motion, **options: object) -> bytes:
    buffer = io.BytesIO()
    chosen = ExportOptions(**options)  # type: ignore[arg-type]
    write_glb(motion, buffer, metadata={"prompt": "走る", "seed": 3}, options=chosen)
    return buffer.getvalue()


def read(motion: hymotion.Motion, **options: object) -> Scene:
    return Scene(written(motion, **options))


@pytest.mark.parametrize("make", [walking, rolling, wild])
def test_joints_come_back_within_a_millimetre(make: object) -> None:
    motion: hymotion.Motion = make()  # type: ignore[operator]
    scene = read(motion)
    assert tuple(scene.names) == BODY.names
    assert np.abs(scene.poses()[:, :, :3, 3] - motion.joints).max() < 1e-3
    assert np.abs(scene.times() - np.arange(motion.frames) / 30).max() < 1e-5


def test_the_skin_follows_the_joints() -> None:
    motion = walking(30)
    scene = read(motion)
    [mesh] = scene.file.meshes
    [primitive] = mesh.primitives
    points = scene.numbers(primitive.attributes.POSITION)
    normals = scene.numbers(primitive.attributes.NORMAL)
    joints = scene.numbers(primitive.attributes.JOINTS_0)[:, 0].astype(int)
    weights = scene.numbers(primitive.attributes.WEIGHTS_0)
    assert np.array_equal(weights, np.tile([1, 0, 0, 0], (len(points), 1)))
    assert abs(points[:, 1].min()) < 0.05
    assert 1.65 < points[:, 1].max() < 1.75
    assert np.abs(np.linalg.norm(normals, axis=1) - 1).max() < 1e-6
    # Where a bone's mesh begins is where its joint is, in every frame.
    bind = scene.poses() @ scene.inverse_bind()
    whole = np.concatenate((points, np.ones((len(points), 1))), axis=1)
    skinned = np.einsum("lvij,vj->lvi", bind[:, joints], whole)[..., :3]
    for joint, position in enumerate(motion.joints.transpose(1, 0, 2)):
        if (joints == joint).any():
            near = np.linalg.norm(skinned[:, joints == joint] - position[:, None], axis=-1).min(1)
            assert near.max() < 1e-3, BODY.names[joint]


def test_triangles_face_outwards() -> None:
    scene = read(walking(20))
    attributes = scene.file.meshes[0].primitives[0].attributes
    # Each bone has 24 vertices of its own, around a middle that its faces look away from.
    points = scene.numbers(attributes.POSITION).reshape(-1, 24, 3)
    normals = scene.numbers(attributes.NORMAL).reshape(-1, 24, 3)
    assert len(points) == 21 + 5
    outwards = points - points.mean(axis=1, keepdims=True)
    assert ((outwards * normals).sum(-1) > 0).all()


def test_left_and_right_are_of_different_colours() -> None:
    scene = read(walking(20))
    attributes = scene.file.meshes[0].primitives[0].attributes
    points = scene.numbers(attributes.POSITION)
    red, _, blue = scene.numbers(attributes.COLOR_0).T
    limbs = np.abs(points[:, 0]) > 0.2
    assert (red > blue)[limbs & (points[:, 0] > 0)].all()
    assert (blue > red)[limbs & (points[:, 0] < 0)].all()


def test_at_rest_it_stands_in_a_t_pose() -> None:
    nodes = read(walking(20)).file.nodes
    assert nodes[0].translation == pytest.approx([0, PELVIS_HEIGHT, 0], abs=1e-6)
    assert not any(node.rotation for node in nodes)


@pytest.mark.parametrize("names", ["own", "smplh", "mixamo", "hik"])
def test_up_scale_names_and_place(names: str) -> None:
    motion = walking()
    scene = read(motion, up="z", scale="cm", in_place=True, names=names)
    x, y, z = motion.joints.astype(np.float64).transpose(2, 0, 1)
    there = np.stack((x - x[:, :1], -(z - z[:, :1]), y), axis=-1) * 100
    assert np.abs(scene.poses()[:, :, :3, 3] - there).max() < 0.1
    assert scene.file.nodes[0].translation == pytest.approx([0, 0, PELVIS_HEIGHT * 100], abs=1e-3)
    assert len(set(scene.names)) == 22
    assert scene.names == list(hymotion.export.JOINT_NAMES[names])
    head = scene.numbers(scene.file.meshes[0].primitives[0].attributes.POSITION)[:, 2].max()
    assert 165 < head < 175


def test_neighbouring_turns_are_on_the_same_side() -> None:
    scene = read(rolling())
    for channel in scene.animation.channels:
        if channel.target.path == "rotation":
            rows = scene.numbers(scene.animation.samplers[channel.sampler].output)
            assert ((rows[1:] * rows[:-1]).sum(-1) > 0).all()


def test_metadata_and_bytes(tmp_path: Path) -> None:
    motion = walking(20)
    data = written(motion)
    assert data == written(motion)
    assert len(data) % 4 == 0
    assert int.from_bytes(data[8:12], "little") == len(data)
    assert Scene(data).file.asset.extras == {"prompt": "走る", "seed": 3}
    path = tmp_path / "a.glb"
    FORMATS["glb"].write(motion, path, {"prompt": "走る", "seed": 3})
    assert path.read_bytes() == data
    # A worker names the prompt first, a file that is read back has its own order.
    FORMATS["glb"].write(motion, path, {"seed": 3, "prompt": "走る"})
    assert path.read_bytes() == data


@pytest.mark.parametrize("value", [float("nan"), b"x"])
def test_metadata_that_cannot_be(value: object) -> None:
    with pytest.raises(ExportError, match="metadata"):
        write_glb(walking(20), io.BytesIO(), metadata={"x": value})  # type: ignore[dict-item]
