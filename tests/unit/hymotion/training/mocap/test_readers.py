"""Readers and retargeting, on texts made here: tiny skeletons with known poses."""

import json
import math

import pytest
import torch
from torch import Tensor

from hymotion.body.rotation import shortest_turn
from hymotion.body.skeleton import BODY
from hymotion.config import FPS
from hymotion.training.errors import MocapError
from hymotion.training.mocap.bvh import axis_turn, read_bvh
from hymotion.training.mocap.capture import Capture, blend_rotations
from hymotion.training.mocap.clip import Clip
from hymotion.training.mocap.deepmimic import read_deepmimic
from hymotion.training.mocap.retarget import CMU, DEEPMIMIC, Rig, retarget

BVH = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Yrotation Xrotation
  JOINT knee
  {
    OFFSET 0 -40 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 0 10
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
10 90 -20 0 0 0 0 0 0
10 90 -20 0 90 0 0 90 0
"""


def near(value: torch.Tensor, expected: object) -> bool:
    return torch.allclose(value, torch.tensor(expected, dtype=torch.float64), atol=1e-9)


def test_a_bvh_is_read_to_the_digit() -> None:
    capture = read_bvh(BVH, where="two.bvh")
    assert capture.names == ("hip", "knee", "knee_end")
    assert capture.parents == (-1, 0, 1)
    assert near(capture.root, [[0.1, 0.9, -0.2]] * 2)
    assert near(capture.positions[0], [[0.1, 0.9, -0.2], [0.1, 0.5, -0.2], [0.1, 0.5, -0.1]])
    # The second frame turns the hip by 90° about y and then the knee by 90° about x: what
    # pointed along +z now points down.
    assert near(capture.positions[1, 2], [0.1, 0.4, -0.2])


def test_the_order_of_channels_is_the_order_of_the_product() -> None:
    capture = read_bvh(BVH.replace("0 90 0 0 90 0", "90 0 90 0 0 0"), where="order")
    z, x = (axis_turn(axis, torch.tensor([math.pi / 2], dtype=torch.float64)) for axis in (2, 0))
    assert torch.allclose(capture.rotations[1, 0], (z @ x)[0], atol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "no BVH",
        BVH.replace("Frames: 2", "Frames: 3"),
        BVH.replace("10 90 -20 0 0 0", "10 90 -20 0 0 zero"),
        BVH.replace("}\n}\nMOTION", "}\nMOTION"),
        BVH.replace("Zrotation Yrotation", "Wrotation Yrotation"),
    ],
)
def test_a_damaged_bvh_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(MocapError, match=r"two\.bvh"):
        read_bvh(text, where="two.bvh")


def deepmimic(angles: dict[int, float], *, frames: int = 2) -> str:
    rest = [0.0625, 0.5, 0.9, -0.25] + [1.0, 0, 0, 0] * 4 + [0.0] + [1.0, 0, 0, 0] * 2 + [0.0]
    rest += [1.0, 0, 0, 0, 0.0] + [1.0, 0, 0, 0] * 2 + [0.0]
    for place, angle in angles.items():
        rest[place] = angle
    return json.dumps({"Loop": "none", "Frames": [rest] * frames})


RIGHT_KNEE, LEFT_ELBOW = 20, 43


def test_a_deepmimic_pose_is_in_our_axes() -> None:
    text = deepmimic({RIGHT_KNEE: -math.pi / 2, LEFT_ELBOW: math.pi / 2})
    capture = read_deepmimic(text, where="pose")
    at = dict(zip(capture.names, capture.positions[0], strict=True))
    assert near(at["root"], [0.25, 0.9, 0.5])
    assert near(at["left_hip"] - at["root"], [0.084887, 0, 0])
    # A bent knee takes the shin backwards, a bent elbow the forearm forwards, which is +z.
    assert near(at["right_ankle"] - at["right_knee"], [0, 0, -0.40987])
    assert near(at["left_wrist"] - at["left_elbow"], [0, 0, 0.258947])
    assert near(capture.times, [0, 0.0625])


@pytest.mark.parametrize(
    "text", ["{", "{}", json.dumps({"Frames": [[1, 2], [3, 4]]}), deepmimic({}, frames=1)]
)
def test_a_damaged_deepmimic_file_is_refused(text: str) -> None:
    with pytest.raises(MocapError, match="broken"):
        read_deepmimic(text, where="broken")


def test_a_frame_that_lasts_no_time_is_refused() -> None:
    with pytest.raises(MocapError, match="lasts no time"):
        read_deepmimic(deepmimic({0: 0.0}), where="still")


def moving(*, seconds: float, count: int) -> Capture:
    """One joint that turns about y and moves along x at constant speeds."""
    times = torch.linspace(0, seconds, count, dtype=torch.float64)
    root = torch.stack((times, torch.ones_like(times), torch.zeros_like(times)), dim=1)
    return Capture(
        names=("hip",),
        parents=(-1,),
        offsets=torch.zeros(1, 3, dtype=torch.float64),
        rotations=axis_turn(1, 2 * times)[:, None],
        root=root,
        times=times,
    )


def test_16_fps_become_30_at_constant_speed() -> None:
    capture = moving(seconds=2.0, count=33).resampled(30)
    expected = moving(seconds=2.0, count=61)
    assert torch.allclose(capture.rotations, expected.rotations, atol=1e-9)
    assert torch.allclose(capture.root, expected.root, atol=1e-12)
    assert torch.allclose(capture.times, expected.times)


def test_30_fps_stay_as_they_are() -> None:
    capture = moving(seconds=1.0, count=31)
    assert capture.resampled(30) is capture


def test_blending_rotations_takes_the_short_way() -> None:
    turns = axis_turn(2, torch.deg2rad(torch.tensor([170.0, -170.0, 180.0], dtype=torch.float64)))
    middle = blend_rotations(turns[0], turns[1], torch.tensor([0.5], dtype=torch.float64))
    assert torch.allclose(middle, turns[2], atol=1e-9)


def random_capture(rig: Rig, *, seed: int) -> Capture:
    """The DeepMimic body in random poses, its joints named as the rig wants."""
    numbers = torch.Generator().manual_seed(seed)
    rest = read_deepmimic(deepmimic({}, frames=6), where="rest")
    axis = torch.rand(6, 15, 3, generator=numbers, dtype=torch.float64) * 2 - 1
    turns = axis_turn(0, axis[..., 0]) @ axis_turn(1, axis[..., 1]) @ axis_turn(2, axis[..., 2])
    return Capture(
        names=rest.names,
        parents=rest.parents,
        offsets=rest.offsets * 1.3,
        rotations=turns,
        root=rest.root * 1.3,
        times=torch.arange(6, dtype=torch.float64) / 30,
    )


def direction_error(capture: Capture, rig: Rig, clip: Clip) -> Tensor:
    """(L, bones) degrees between the clip's bones and those of the capture at 30 fps."""
    capture = capture.resampled(FPS)
    ours, _ = clip.pose()
    angles: list[Tensor] = []
    for joint, (child, source) in rig.bones.items():
        a = ours[:, BODY.names.index(child)] - ours[:, BODY.names.index(joint)]
        ends = [capture.names.index(end) for end in (rig.drives[joint], source)]
        b = capture.positions[:, ends[1]] - capture.positions[:, ends[0]]
        sine = torch.linalg.cross(a, b).norm(dim=-1)
        angles.append(torch.rad2deg(torch.atan2(sine, (a * b).sum(-1))))
    return torch.stack(angles, dim=1)


def test_retargeting_keeps_the_direction_of_every_limb() -> None:
    capture = random_capture(DEEPMIMIC, seed=3)
    clip = retarget(capture, DEEPMIMIC, name="random", source="deepmimic", take="random")
    assert direction_error(capture, DEEPMIMIC, clip).max() < 1e-6
    lengths = clip.pose()[0].diff(dim=1)
    assert torch.isfinite(lengths).all()
    wrong = clip.rotations.clone()
    wrong[:, BODY.names.index("L_Knee")] = torch.eye(3, dtype=torch.float64)
    bent = type(clip)(clip.name, clip.source, clip.take, wrong, clip.trans)
    assert direction_error(capture, DEEPMIMIC, bent).max() > 5


def test_a_body_at_rest_stands_on_the_ground_with_its_left_at_x() -> None:
    capture = read_deepmimic(deepmimic({}), where="rest")
    clip = retarget(capture, DEEPMIMIC, name="rest", source="deepmimic", take="rest")
    positions, _ = clip.pose()
    at = {name: positions[0, index] for index, name in enumerate(BODY.names)}
    assert abs(float(clip.soles()[0].min())) < 1e-9
    assert at["L_Hip"][0] > at["R_Hip"][0]
    assert at["L_Foot"][2] > at["L_Ankle"][2]
    # The source's arms hang, so ours do.
    assert at["L_Wrist"][1] < at["L_Shoulder"][1] - 0.5


def test_steps_are_as_long_as_the_legs_make_them() -> None:
    capture = random_capture(DEEPMIMIC, seed=1)
    still = torch.eye(3, dtype=torch.float64).expand(6, 15, 3, 3)
    root = torch.zeros(6, 3, dtype=torch.float64)
    root[:, 2] = torch.arange(6)
    walking = Capture(capture.names, capture.parents, capture.offsets, still, root, capture.times)
    clip = retarget(walking, DEEPMIMIC, name="walk", source="deepmimic", take="walk")
    legs = float(BODY.offsets[[4, 7]].norm(dim=1).sum()) / (1.3 * (0.421546 + 0.40987))
    assert float(clip.trans[-1, 2] - clip.trans[0, 2]) == pytest.approx(5 * legs)


def test_a_capture_without_the_rigs_joints_is_refused() -> None:
    with pytest.raises(MocapError, match="abdomen"):
        retarget(read_deepmimic(deepmimic({}), where="rest"), CMU, name="x", source="cmu", take="x")


def test_the_shortest_turn_takes_one_direction_to_the_other() -> None:
    numbers = torch.Generator().manual_seed(0)
    pair = torch.randn(2, 50, 3, generator=numbers, dtype=torch.float64)
    turned = (shortest_turn(pair[0], pair[1]) @ pair[0][..., None])[..., 0]
    assert torch.nn.functional.cosine_similarity(turned, pair[1]).min() > 1 - 1e-12
