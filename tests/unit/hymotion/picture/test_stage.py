"""What is seen of a motion: upright, whole, from the right side, on a ground, left unlike right."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import hymotion
from hymotion.picture.brush import Rod, draw_bodies, draw_rod
from hymotion.picture.camera import Camera, facing
from hymotion.picture.colours import GRID, LEFT, RIGHT
from hymotion.picture.figure import HEAD_BALL, LIMBS, NOSE_BALL, body_points
from hymotion.picture.stage import Stage
from tests.unit.hymotion.figures import Pose, Y, jumping, rolling, walking, waving, wild

Make = Callable[..., hymotion.Motion]
EVERY = [walking, waving, jumping, rolling, wild]
ROOM = (400, 400)


def stage_of(motion: hymotion.Motion, **more: object) -> Stage:
    return Stage.of(motion, scale=125.0, room=ROOM, **more)  # type: ignore[arg-type]


def orange(image: Image.Image) -> NDArray[np.bool_]:
    red, green, blue = np.asarray(image).astype(int).transpose(2, 0, 1)
    return (red > blue + 90) & (red > green + 50)


def blue(image: Image.Image) -> NDArray[np.bool_]:
    red, _, blue = np.asarray(image).astype(int).transpose(2, 0, 1)
    return blue > red + 70


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("calm", [0, 8])
def test_nothing_is_cut_off(make: Make, calm: int) -> None:
    stage = stage_of(make(), calm=calm)
    width, height = stage.size
    assert width <= ROOM[0]
    assert height <= ROOM[1]
    for frame in range(len(stage.points)):
        placed = stage._place(stage.points[frame], frame) / stage.finer
        for limb in LIMBS:
            for point, radius in ((limb.start, limb.thick), (limb.end, limb.thin)):
                x, y, _ = placed[point]
                reach = radius * stage.scale
                assert reach <= x <= width - reach, (frame, limb)
                assert reach <= y <= height - reach, (frame, limb)


def test_who_stands_is_upright_on_the_ground() -> None:
    image = stage_of(waving()).draw(0)
    legs = np.nonzero(blue(image))[0]
    sky, floor = image.getpixel((2, 2)), image.getpixel((2, image.height - 3))
    assert floor[0] < sky[0] - 8
    # Feet in the band of ground, and a good part of the picture above them.
    assert 0.8 * image.height < legs.max() < 0.97 * image.height
    assert legs.min() < 0.5 * image.height


def test_left_is_orange_and_right_is_blue() -> None:
    motion = waving()
    stage = stage_of(motion)
    image = stage.draw(10)
    assert orange(image).sum() > 300
    assert blue(image).sum() > 300
    # The left hand is the highest thing there is.
    assert np.nonzero(orange(image))[0].min() < np.nonzero(blue(image))[0].min() - 40
    hand = stage._place(stage.points[10], 10)[25] / stage.finer
    rows, columns = np.nonzero(orange(image))
    assert np.hypot(columns - hand[0], rows - hand[1]).min() < 4


def test_walking_forward_goes_to_the_right_and_shows_the_face() -> None:
    points = body_points(walking())
    camera = Camera.beside(points)
    way = camera.project(points[-1, 0] - points[0, 0])
    assert way[0] > 2
    nose = camera.project(points[0, NOSE_BALL] - points[0, HEAD_BALL])
    assert nose[0] > 0.05
    assert nose[2] < -0.05
    axes = np.stack((camera.right, camera.up, camera.away))
    assert axes @ axes.T == pytest.approx(np.eye(3), abs=1e-12)
    # Not a mirror image: right, up and towards the viewer are a right-handed frame.
    assert np.linalg.det(np.stack((camera.right, camera.up, -camera.away))) == pytest.approx(1)


@pytest.mark.parametrize("turn", [0.0, 1.0, 3.0, -2.0])
def test_the_camera_goes_round_with_the_person(turn: float) -> None:
    pose = Pose(20)
    pose.turn("Pelvis", Y, turn)
    points = body_points(pose.motion())
    assert facing(points) == pytest.approx([np.sin(turn), 0, np.cos(turn)], abs=1e-7)
    plain = body_points(Pose(20).motion())
    seen = Camera.beside(points).project(points - points[:, :1])
    assert seen == pytest.approx(Camera.beside(plain).project(plain - plain[:, :1]), abs=1e-6)


def test_a_jump_leaves_the_ground_and_its_shadow() -> None:
    stage = stage_of(jumping())
    standing, high = stage.draw(0), stage.draw(26)
    feet = [np.nonzero(blue(image) | orange(image))[0].max() for image in (standing, high)]
    assert feet[0] - feet[1] > 0.35 * stage.scale
    # Below the feet in the air: the shadow, darker than the lines of the grid.
    grey = np.asarray(high.convert("L")).astype(int)
    assert grey[feet[1] + 5 :].min() < sum(GRID) / 3 - 15


def test_the_ground_stays_where_it_is() -> None:
    stage = stage_of(walking())
    middle = stage.centres[10].copy()
    first, second = stage._place(middle, 10), stage._place(middle, 11)
    step = stage.camera.project(stage.centres[11] - stage.centres[10])[0]
    assert step > 0.02
    assert first[0] - second[0] == pytest.approx(step * stage.scale * stage.finer)
    assert first[0] == pytest.approx(stage.half * stage.scale * stage.finer)


def test_near_limbs_are_drawn_over_far_ones() -> None:
    # Seen from the right of the person the right arm and leg hide the left ones.
    motion = walking()
    stage = stage_of(motion)
    rods = [body[0] for body in stage._bodies(0)[1:]]
    thighs = [rod for rod in rods if rod.thick == max(other.thick for other in rods[1:9])]
    left, right = thighs
    assert right.away < left.away


@pytest.mark.parametrize("near", [0, 1])
def test_what_is_near_is_drawn_last(near: int) -> None:
    image = Image.new("RGB", (80, 80), "white")
    across = Rod((10, 40), (70, 40), 8, 8, away=-10.0 * (near == 0), colour=LEFT)
    upright = Rod((40, 10), (40, 70), 8, 8, away=-10.0 * (near == 1), colour=RIGHT)
    draw_bodies(ImageDraw.Draw(image), [[across], [upright]])
    red, _, blue = image.getpixel((40, 40))
    assert (red > blue) == (near == 0)
    # The rim is darker than the middle, all around.
    assert sum(image.getpixel((20, 33))) < sum(image.getpixel((20, 39)))
    assert sum(image.getpixel((20, 47))) < sum(image.getpixel((20, 39)))


def test_a_rod_reaches_just_as_far_as_its_ends() -> None:
    image = Image.new("L", (100, 60))
    draw_rod(ImageDraw.Draw(image), ((20, 30), (80, 30)), (15, 5), 255)
    rows, columns = np.nonzero(np.asarray(image))
    assert (columns.min(), columns.max()) == (5, 85)
    assert (rows.min(), rows.max()) == (15, 45)
    thickness = (np.asarray(image) > 0).sum(axis=0)
    assert thickness[50] == pytest.approx(21, abs=2)
    image = Image.new("L", (100, 60))
    draw_rod(ImageDraw.Draw(image), ((20, 30), (25, 30)), (15, 5), 255)
    assert (np.asarray(image) > 0).sum() == pytest.approx(np.pi * 15**2, rel=0.08)
