"""Foot planting: detect ground contact and hold feet still during it."""

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
    """Thresholds below which the heel or ball of a foot counts as in contact with the ground.

    Attributes:
        height: upper limit of its height, metres.
        speed: upper limit of its speed, metres per second.
        share: fraction of the pelvis' speed to add to `speed`, because a runner's feet never stop
            for as long as three frames.
    """

    height: float
    speed: float
    share: float


RECORDED = Touch(height=0.06, speed=0.40, share=0.12)
"""For recorded people: feet in contact slide little, and swinging feet are fast."""

GENERATED = Touch(height=0.08, speed=1.00, share=0.40)
"""For motions from a small network: feet slide where they should stand, and stand slightly above
the ground because the decoder grounds only the lowest moment. Swinging feet are still faster: their
top speed is unchanged with these limits, and in a walk each foot stands 65 % of the time."""

SHORTEST = 3
"""Contacts of fewer frames are noise, and so are gaps between contacts."""

REACH = 0.15
"""The largest shift of a foot, metres: a larger distance is not a slide."""

SIGMA = 0.4
"""Standard deviation, in frames, of the correction's smoothing: more restores slide and jitter."""

FADE = 12
"""Frames before the first and after the last contact over which the correction fades."""


def planted(rotations: Tensor, trans: Tensor, touch: Touch) -> Tensor:
    """(L, 22, 3, 3) the rotations, changed to hold each foot still while it touches the ground.

    A foot is held at its mean position during each contact; the leg follows by two-bone inverse
    kinematics and the foot keeps its world rotation. Between contacts the correction is
    interpolated.

    Args:
        rotations: (L, 22, 3, 3) local rotations of `BODY`, float64.
        trans: (L, 3) pelvis positions, metres, y up, the ground at y = 0.
        touch: thresholds of contact.
    """
    pose = _posed(rotations, trans)
    heights, points = soles(*pose, BODY)
    contacts = foot_contacts(heights, points, trans, touch)
    targets: list[Tensor] = []
    for side, leg in enumerate(LEGS):
        lowest = heights[:, [leg.heel, leg.ball, leg.toes]].amin(1)
        shift = _correction(points[:, [leg.heel, leg.ball]], lowest, contacts[:, side])
        # No foot may go below the ground, in contact or not.
        shift[:, 1] = torch.maximum(shift[:, 1], -lowest)
        targets.append(pose[0][:, leg.ankle] + shift)
    # The bending axis is only approximate, so a second pass is needed to reach the target.
    rotations = _reached(rotations, pose, targets)
    return _reached(rotations, _posed(rotations, trans), targets)


def _posed(rotations: Tensor, trans: Tensor) -> tuple[Tensor, Tensor]:
    positions, turns = forward_kinematics(rotations, BODY)
    return positions + trans[:, None], turns


def foot_contacts(heights: Tensor, points: Tensor, trans: Tensor, touch: Touch) -> Tensor:
    """(L, 2, 2) whether the heel and the ball of the left and the right foot are in contact.

    Args:
        heights, points: of the body's contact points, from `soles`.
        trans: (L, 3) pelvis positions, metres.
        touch: thresholds of contact.
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
    """(L, 3) shift of a foot, from (L, 2, 3) heel and ball, (L,) lowest height, (L, 2) contacts."""
    length = len(points)
    shift = points.new_zeros(length, 3)
    known = contacts.any(1)
    if not bool(known.any()):
        return shift
    # Undo the slide between frames of the ball where it stands, else of the heel, so that the
    # roll from heel to ball causes no jump.
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
    """(L, 1) 1 from the first to the last known frame, fading to 0 over `FADE` frames outside."""
    places = known.nonzero()[:, 0]
    moments = torch.arange(len(known))
    beyond = torch.maximum(places[0] - moments, moments - places[-1]).clamp(min=0)
    return (1 - beyond / FADE).clamp(min=0).to(torch.float64)[:, None]


def _filled(values: Tensor, known: Tensor) -> Tensor:
    """(L, C) with unknown rows interpolated between known ones and the ends repeated."""
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
        rotations: (L, 22, 3, 3) local rotations to change.
        pose: positions and world rotations of `rotations`.
        targets: of the left and the right ankle.
    """
    turns, rotations = pose[1].clone(), rotations.clone()
    for leg, target in zip(LEGS, targets, strict=True):
        leg.reach(turns, pose[0], target)
        for joint in (leg.hip, leg.knee, leg.ankle):
            rotations[:, joint] = turns[:, BODY.parents[joint]].mT @ turns[:, joint]
    return rotations


def _runs(mask: Tensor) -> Iterator[tuple[int, int]]:
    """[start, end) of every run of True in (L,)."""
    edges = torch.diff(mask.int(), prepend=torch.zeros(1).int(), append=torch.zeros(1).int())
    starts, ends = (edges == 1).nonzero()[:, 0], (edges == -1).nonzero()[:, 0]
    yield from zip(starts.tolist(), ends.tolist(), strict=True)
