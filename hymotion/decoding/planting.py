"""Feet on the ground: when they are, and making them stay where they are."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.skeleton import BODY
from hymotion.config import FPS
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import forward_kinematics
from hymotion.decoding.leg import LEGS
from hymotion.decoding.smoothing import gaussian_average


@dataclass(frozen=True)
class Touch:
    """When the heel or the ball of a foot is taken to stand.

    Attributes:
        height: where it is lower than this, metres,
        speed: and slower than this, metres a second,
        share: to which this share of the pelvis' speed is added, as the feet of whoever runs
            never stop for as long as three frames.
    """

    height: float
    speed: float
    share: float


RECORDED = Touch(height=0.06, speed=0.40, share=0.12)
"""Of people: their feet slide little, and what swings is fast."""

GENERATED = Touch(height=0.08, speed=1.00, share=0.40)
"""Of motions that a small network made: feet slide where they should stand, and as the decoder puts
the lowest moment on the ground, they stand a little over it in others. A foot that swings is still
faster: with this its highest speed stays what it was, and a walk's feet stand 65 % of the time."""

SHORTEST = 3
"""Contacts of fewer frames are noise, and so are gaps between contacts."""

REACH = 0.15
"""No foot is moved further than this, metres: what is further away is no slide."""

SIGMA = 0.4
"""Smoothing of the correction over time, frames: more lets the slide back in, and its jitter."""

FADE = 12
"""Frames after the last contact, and before the first, in which a correction fades out."""


def planted(rotations: Tensor, trans: Tensor, touch: Touch) -> Tensor:
    """(L, 22, 3, 3) the rotations with every foot held where it touches the ground, at y = 0.

    A foot is held at the mean place of each stretch of contact; the leg follows by two-bone
    inverse kinematics, the foot keeps its rotation in the world. Between contacts the
    correction goes over from one to the next.

    Args:
        rotations: (L, 22, 3, 3) local rotations of `BODY`, float64.
        trans: (L, 3) where the pelvis is, metres, y up, the ground at y = 0.
        touch: what counts as contact.
    """
    pose = _posed(rotations, trans)
    heights, points = soles(*pose, BODY)
    contacts = foot_contacts(heights, points, trans, touch)
    targets: list[Tensor] = []
    for side, leg in enumerate(LEGS):
        lowest = heights[:, [leg.heel, leg.ball, leg.toes]].amin(1)
        shift = _correction(points[:, [leg.heel, leg.ball]], lowest, contacts[:, side])
        # In the air as on the ground, no foot is under it.
        shift[:, 1] = torch.maximum(shift[:, 1], -lowest)
        targets.append(pose[0][:, leg.ankle] + shift)
    # A leg that bends about an axis not quite its own comes close at first, then arrives.
    rotations = _reached(rotations, pose, targets)
    return _reached(rotations, _posed(rotations, trans), targets)


def _posed(rotations: Tensor, trans: Tensor) -> tuple[Tensor, Tensor]:
    positions, turns = forward_kinematics(rotations, BODY)
    return positions + trans[:, None], turns


def foot_contacts(heights: Tensor, points: Tensor, trans: Tensor, touch: Touch) -> Tensor:
    """(L, 2, 2) whether the heel and the ball of the left and the right foot are in contact.

    Args:
        heights, points: of the body's contacts, see `soles`.
        trans: (L, 3) where the pelvis is, metres.
        touch: what counts as contact.
    """
    speed: Tensor = torch.gradient(points, dim=0)[0].norm(dim=-1) * FPS
    level = torch.tensor([1.0, 0.0, 1.0], dtype=speed.dtype)
    body = torch.gradient(trans * level, dim=0)[0].norm(dim=-1) * FPS
    touching = (heights < touch.height) & (speed < touch.speed + touch.share * body[:, None])
    feet: Tensor = touching[:, [index for leg in LEGS for index in (leg.heel, leg.ball)]]
    for column in range(feet.shape[1]):
        for value in (False, True):  # fill short gaps first, then drop short contacts
            for start, end in _runs(feet[:, column] == value):
                inside = value or (start > 0 and end < len(feet))
                if end - start < SHORTEST and inside:
                    feet[start:end, column] = not value
    return feet.reshape(-1, 2, 2)


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
    correction = _filled(shift, known) * _faded(known)
    return gaussian_average(correction, sigma=SIGMA, radius=round(3 * SIGMA))


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


def _reached(rotations: Tensor, pose: tuple[Tensor, Tensor], targets: list[Tensor]) -> Tensor:
    """The rotations with each ankle at its (L, 3) target, or as near as the leg's length allows.

    Args:
        rotations: to change.
        pose: theirs; neither leg moves the other.
        targets: of the left and the right ankle.
    """
    turns, rotations = pose[1].clone(), rotations.clone()
    for leg, target in zip(LEGS, targets, strict=True):
        leg.reach(turns, pose[0], target)
        for joint in (leg.hip, leg.knee, leg.ankle):
            rotations[:, joint] = turns[:, BODY.parents[joint]].mT @ turns[:, joint]
    return rotations


def _runs(mask: Tensor) -> Iterator[tuple[int, int]]:
    """[start, end) of every stretch of True in (L,)."""
    edges = torch.diff(mask.int(), prepend=torch.zeros(1).int(), append=torch.zeros(1).int())
    starts, ends = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0]
    yield from zip(starts.tolist(), ends.tolist(), strict=True)
