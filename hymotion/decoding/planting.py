"""Foot planting: detect ground contact and hold feet still during it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hymotion.body.skeleton import BODY, SOLES
from hymotion.config import FPS
from hymotion.decoding.ground import soles
from hymotion.decoding.kinematics import Pose
from hymotion.decoding.leg import ANKLES, BALLS, HEELS, HIPS, KNEES, TOES, reach
from hymotion.decoding.rows import FrameRows, marked_from, marked_until, running_sum
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

FEET_ONLY = replace(BODY, contacts=SOLES)


def planted(pose: Pose, rows: FrameRows, touch: Touch) -> Pose:
    """The pose, changed to hold each foot still while it touches the ground.

    A foot is held at its mean position during each contact; the leg follows by two-bone inverse
    kinematics and the foot keeps its world rotation. Between contacts the correction is
    interpolated.

    Args:
        pose: of `BODY` in N frames, the ground at y = 0.
        rows: which frames belong to one motion.
        touch: thresholds of contact.
    """
    heights, points = soles(pose.world, pose.turns, FEET_ONLY)
    contacts = foot_contacts(heights, points, pose.trans, rows, touch)
    lowest = torch.stack([heights[:, each] for each in (HEELS, BALLS, TOES)]).amin(0)
    feet = torch.stack((points[:, HEELS], points[:, BALLS]), dim=2)
    shift = _correction(feet, lowest, contacts, rows)
    # No foot may go below the ground, in contact or not.
    shift[..., 1] = torch.maximum(shift[..., 1], -lowest)
    positions, turns = pose.positions.clone(), pose.turns.clone()
    target = positions[:, ANKLES] + shift
    # The bending axis is only approximate, so a second pass is needed to reach the target.
    for _ in range(2):
        reach(turns, positions, target)
    matrices = pose.matrices.clone()
    above = turns[:, :1]
    for joints in (HIPS, KNEES, ANKLES):
        matrices[:, joints] = above.mT @ turns[:, joints]
        above = turns[:, joints]
    return replace(pose, matrices=matrices, positions=positions, turns=turns)


def foot_contacts(
    heights: Tensor, points: Tensor, trans: Tensor, rows: FrameRows, touch: Touch
) -> Tensor:
    """(N, 2, 2) whether the heel and the ball of the left and the right foot are in contact.

    Args:
        heights, points: of the body's contact points, from `soles`.
        trans: (N, 3) pelvis positions, metres.
        rows: which frames belong to one motion.
        touch: thresholds of contact.
    """
    ends = slice(HEELS.start, BALLS.stop)
    speed = rows.rate(points[:, ends]).norm(dim=-1) * FPS
    body = rows.rate(trans[:, ::2]).norm(dim=-1) * FPS
    limit = touch.speed + touch.share * body[:, None]
    touching = (heights[:, ends] < touch.height) & (speed < limit)
    # Short gaps are filled first, then short contacts dropped.
    gaps = _long_runs(~touching, rows, beyond=True)
    return _long_runs(~gaps, rows, beyond=False).reshape(-1, 2, 2).mT


def _long_runs(mask: Tensor, rows: FrameRows, *, beyond: bool) -> Tensor:
    """(N, C) the mask without its runs of fewer than `SHORTEST` frames.

    `beyond` is its value before the first and after the last frame of each motion.
    """
    reach = SHORTEST - 1
    around = rows.around(reach)
    offsets = torch.arange(-reach, reach + 1, device=mask.device)
    inside = around - rows.index[:, None] == offsets
    windows = mask[around].where(inside[..., None], beyond)
    return windows.unfold(1, SHORTEST, 1).all(-1).any(1)


def _correction(points: Tensor, lowest: Tensor, contacts: Tensor, rows: FrameRows) -> Tensor:
    """(N, 2, 3) shift of each foot.

    Args:
        points: (N, 2, 2, 3) heel and ball of each foot.
        lowest: (N, 2) height of each foot's lowest point.
        contacts: (N, 2, 2) whether heel and ball of each foot are in contact.
        rows: which frames belong to one motion.
    """
    known = contacts.any(-1)
    before, _, after = rows.around(1).unbind(1)
    index = rows.index[:, None]
    start = marked_until(known & ((index == rows.first[:, None]) | ~known[before])).clamp(min=0)
    end = marked_from(known & ((index == rows.last[:, None]) | ~known[after]))
    # Undo the slide between frames of the ball where it stands, else of the heel, so that the
    # roll from heel to ball causes no jump.
    slide = points - points[before]
    heel, ball = (contacts & contacts[before]).unbind(-1)
    steps = torch.where((ball | ~heel)[..., None], slide[:, :, 1], slide[:, :, 0])
    steps = steps.where((known & (index != start))[..., None], 0.0)
    path = running_sum(steps)
    path = (path - _at(path, start)).where(known[..., None], 0.0)
    total = running_sum(path)
    length = (end - start + 1)[..., None]
    mean = (_at(total, end.clamp(max=len(path) - 1)) - _at(total, start)) / length
    shift = mean - path
    shift[..., 1] = -lowest
    far = shift.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    shift = (shift * (REACH / far).clamp(max=1.0)).where(known[..., None], 0.0)
    return gaussian_average(_filled(shift, known, rows), rows, sigma=SIGMA, radius=round(3 * SIGMA))


def _filled(values: Tensor, known: Tensor, rows: FrameRows) -> Tensor:
    """(N, C, …) with unknown rows interpolated between the known ones of a motion.

    Before the first and after the last known row of a motion its value fades to 0 over `FADE`
    frames. Unknown rows of `values` are 0, which a motion without a known row keeps.
    """
    index = rows.index[:, None]
    before, after = marked_until(known), marked_from(known)
    early, late = before < rows.first[:, None], after > rows.last[:, None]
    start = before.where(~early, after.where(~late, index))
    end = after.where(~late, start)
    share = ((index - start) / (end - start).clamp(min=1)).clamp(0, 1).to(values)
    beyond = (index - start).abs().where(early | late, 0)
    fade = (1 - beyond / FADE).clamp(min=0).to(values)
    filled = torch.lerp(_at(values, start), _at(values, end), share[..., None])
    return filled * fade[..., None]


def _at(values: Tensor, rows: Tensor) -> Tensor:
    """(N, C, K) the rows (N, C) of values (N, C, K), column by column."""
    return values.take_along_dim(rows[..., None], dim=0)
