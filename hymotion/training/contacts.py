"""Feet on the ground: when they are, and making them stay where they are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hymotion.config import FPS
from hymotion.rotation import matrix_from_axis_angle
from hymotion.skeleton import BODY
from hymotion.training.clip import Clip
from hymotion.training.retarget import shortest_turn


@dataclass(frozen=True)
class Foot:
    """Joints of a leg, and which contacts of the body are its heel, ball and toes."""

    hip: int
    knee: int
    ankle: int
    heel: int
    ball: int
    toes: int


FEET = (Foot(1, 4, 7, 0, 2, 4), Foot(2, 5, 8, 1, 3, 5))
"""Left, right."""

HEIGHT = 0.06
SPEED, SHARE = 0.40, 0.12
"""A point lower than this, metres, and slower, metres a second, is in contact; a share of the
pelvis' speed is added, as the feet of whoever runs never stop for as long as three frames."""

SHORTEST = 3
"""Contacts of fewer frames are noise, and so are gaps between contacts."""

REACH = 0.15
"""No foot is moved further than this, metres: what is further away is no slide."""

SIGMA = 0.4
"""Smoothing of the correction over time, frames: more lets the slide back in, and its jitter."""

FADE = 12
"""Frames after the last contact, and before the first, in which a correction fades out."""

STRETCH = 0.9995
BEND = 0.05


def foot_contacts(clip: Clip) -> Tensor:
    """(L, 2, 2) whether the heel and the ball of the left and the right foot are in contact."""
    heights, points = clip.soles()
    speed: Tensor = torch.gradient(points, dim=0)[0].norm(dim=-1) * FPS
    level = torch.tensor([1.0, 0.0, 1.0], dtype=speed.dtype)
    body = torch.gradient(clip.trans * level, dim=0)[0].norm(dim=-1) * FPS
    touching = (heights < HEIGHT) & (speed < SPEED + SHARE * body[:, None])
    feet: Tensor = touching[:, [index for foot in FEET for index in (foot.heel, foot.ball)]]
    for column in range(feet.shape[1]):
        for value in (False, True):  # fill short gaps first, then drop short contacts
            for start, end in _runs(feet[:, column] == value):
                inside = value or (start > 0 and end < len(feet))
                if end - start < SHORTEST and inside:
                    feet[start:end, column] = not value
    return feet.reshape(-1, 2, 2)


def skate(clip: Clip, contacts: Tensor) -> float:
    """Mean horizontal slide in mm a frame of feet in contact, (L, 2, 2) as found; 0 if none.

    Of a foot with heel and ball down the point that slides less counts: whoever pivots on the
    ball does not skate.
    """
    _, points = clip.soles()
    feet = points[:, [[foot.heel, foot.ball] for foot in FEET]]
    slide = feet.diff(dim=0)[..., [0, 2]].norm(dim=-1) * 1000
    held = contacts[1:] & contacts[:-1]
    least = torch.where(held, slide, torch.inf).amin(2)[held.any(2)]
    return float(least.mean()) if len(least) else 0.0


def planted(clip: Clip) -> Clip:
    """The clip with every foot held where it touches the ground, at y = 0.

    A foot is held at the mean place of each stretch of contact; the leg follows by two-bone
    inverse kinematics, the foot keeps its rotation in the world. Between contacts the
    correction goes over from one to the next.
    """
    contacts = foot_contacts(clip)
    heights, points = clip.soles()
    pose = clip.pose()
    targets: list[Tensor] = []
    for side, foot in enumerate(FEET):
        lowest = heights[:, [foot.heel, foot.ball, foot.toes]].amin(1)
        shift = _correction(points[:, [foot.heel, foot.ball]], lowest, contacts[:, side])
        # In the air as on the ground, no foot is under it.
        shift[:, 1] = torch.maximum(shift[:, 1], -lowest)
        targets.append(pose[0][:, foot.ankle] + shift)
    # A leg that bends about an axis not quite its own comes close at first, then arrives.
    clip = _reached(clip, pose, targets)
    return _reached(clip, clip.pose(), targets)


def _correction(points: Tensor, lowest: Tensor, contacts: Tensor) -> Tensor:
    """(L, 3) by how much to move a foot: (L, 2, 3) heel and ball, (L,) lowest, (L, 2) contact."""
    length = len(points)
    shift = points.new_zeros(length, 3)
    known = contacts.any(1)
    if not bool(known.any()):
        return shift
    # What the standing point slides from frame to frame is taken back: the ball's slide where
    # it stands, else the heel's, so that rolling over from one to the other leaves no jump.
    slide = points.diff(dim=0)
    ball = (contacts[1:, 1] & contacts[:-1, 1]) | ~(contacts[1:, 0] & contacts[:-1, 0])
    steps = torch.where(ball[:, None], slide[:, 1], slide[:, 0])
    for start, end in _runs(known):
        path = torch.cat((steps.new_zeros(1, 3), steps[start : end - 1].cumsum(0)))
        shift[start:end] = path.mean(0) - path
        shift[start:end, 1] = -lowest[start:end]
    far = shift.norm(dim=1, keepdim=True).clamp(min=1e-9)
    shift = shift * (REACH / far).clamp(max=1.0)
    return _smooth(_filled(shift, known) * _faded(known))


def _faded(known: Tensor) -> Tensor:
    """(L, 1) 1 from the first to the last known frame, falling to 0 within `FADE` beyond them."""
    places = known.nonzero()[:, 0]
    moments = torch.arange(len(known))
    beyond = torch.maximum(places[0] - moments, moments - places[-1]).clamp(min=0)
    return (1 - beyond / FADE).clamp(min=0).to(torch.float64)[:, None]


def _filled(values: Tensor, known: Tensor) -> Tensor:
    """Unknown rows of (L, C) interpolated between known ones, the ends repeated."""
    places = known.nonzero()[:, 0]
    moments = torch.arange(len(values))
    after = torch.searchsorted(places, moments).clamp(max=len(places) - 1)
    before = (torch.searchsorted(places, moments, right=True) - 1).clamp(min=0)
    a, b = places[before], places[after]
    share = ((moments - a) / (b - a).clamp(min=1)).clamp(0, 1).to(values)
    return torch.lerp(values[a], values[b], share[:, None])


def _smooth(values: Tensor) -> Tensor:
    """Gaussian average over time of (L, C), edges repeated."""
    radius = round(3 * SIGMA)
    index = torch.arange(-radius, radius + 1).to(values)
    weights = torch.exp(-0.5 * (index / SIGMA) ** 2)
    padded = torch.cat((values[:1].expand(radius, -1), values, values[-1:].expand(radius, -1)))
    return padded.unfold(0, 2 * radius + 1, 1) @ (weights / weights.sum())


def _reached(clip: Clip, pose: tuple[Tensor, Tensor], targets: list[Tensor]) -> Clip:
    """The clip with each ankle at its (L, 3) target, or as near as the leg's length allows.

    Args:
        clip: to change.
        pose: of the clip; neither leg moves the other.
        targets: of the left and the right ankle.
    """
    turns = pose[1].clone()
    rotations = clip.rotations.clone()
    for foot, target in zip(FEET, targets, strict=True):
        _reach(turns, pose[0], foot, target)
        for joint in (foot.hip, foot.knee, foot.ankle):
            rotations[:, joint] = turns[:, BODY.parents[joint]].mT @ turns[:, joint]
    return replace(clip, rotations=rotations)


def _reach(turns: Tensor, positions: Tensor, foot: Foot, target: Tensor) -> None:
    """Turn a leg's hip and knee in (L, 22, 3, 3) world rotations; the foot keeps its turn."""
    hip, knee, ankle = (positions[:, joint] for joint in (foot.hip, foot.knee, foot.ankle))
    upper, lower = (float(BODY.offsets[joint].norm()) for joint in (foot.knee, foot.ankle))
    far = (target - hip).norm(dim=-1).clamp(abs(upper - lower) + 0.01, (upper + lower) * STRETCH)
    now = (ankle - hip).norm(dim=-1).clamp(max=(upper + lower) * STRETCH)
    angle = _inner(upper, lower, now) - _inner(upper, lower, far)
    # Where the leg is nearly straight, the knee's own axis says which way it bends.
    axis = torch.linalg.cross(knee - hip, ankle - knee) / (upper * lower)
    axis = torch.nn.functional.normalize(axis + BEND * turns[:, foot.knee, :, 0], dim=-1)
    bend = matrix_from_axis_angle(axis * angle[:, None])
    bent = knee + (bend @ (ankle - knee)[..., None])[..., 0]
    swing = shortest_turn(bent - hip, target - hip)
    turns[:, foot.hip] = swing @ turns[:, foot.hip]
    turns[:, foot.knee] = swing @ bend @ turns[:, foot.knee]


def _inner(upper: float, lower: float, far: Tensor) -> Tensor:
    """The knee's inner angle for a distance from hip to ankle, by the law of cosines."""
    cosine = (upper**2 + lower**2 - far**2) / (2 * upper * lower)
    return torch.acos(cosine.clamp(-1, 1))


def _runs(mask: Tensor) -> Iterator[tuple[int, int]]:
    """[start, end) of every stretch of True in (L,)."""
    edges = torch.diff(mask.int(), prepend=torch.zeros(1).int(), append=torch.zeros(1).int())
    starts, ends = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0]
    yield from zip(starts.tolist(), ends.tolist(), strict=True)
