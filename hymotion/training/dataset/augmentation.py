"""More clips from the same ones: mirrored, faster, cut, chained in cycles, spliced in sequence."""

import re
from dataclasses import replace

import torch
from torch import Tensor

from hymotion.body.skeleton import BODY
from hymotion.training.dataset.frames import heading, moved
from hymotion.training.errors import MocapError
from hymotion.training.mocap.capture import blend_rotations
from hymotion.training.mocap.clip import Clip

SIDES = {"left": "right", "right": "left"}
FLIP = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
"""Across the plane between left and right."""


def _opposite(name: str) -> int:
    swapped = {"L_": "R_", "R_": "L_"}.get(name[:2], name[:2]) + name[2:]
    return BODY.names.index(swapped)


OPPOSITE = [_opposite(name) for name in BODY.names]


def mirrored_text(text: str) -> str:
    """The text with left and right swapped, whole words only, first letters' case kept."""

    def swap(match: re.Match[str]) -> str:
        word = match[0]
        other = SIDES[word.lower()]
        return other.capitalize() if word[0].isupper() else other

    return re.sub(r"\b(left|right)\b", swap, text, flags=re.IGNORECASE)


def mirrored(clip: Clip) -> Clip:
    """The clip in a mirror between left and right; left and right swapped in its label too."""
    return replace(
        clip,
        name=f"{clip.name}_m",
        rotations=(FLIP @ clip.rotations @ FLIP)[:, OPPOSITE],
        trans=clip.trans @ FLIP,
        label=mirrored_text(clip.label),
    )


def cropped(clip: Clip, start: int, end: int) -> Clip:
    """Frames [start, end) of the clip.

    Raises:
        MocapError: the clip has no such frames.
    """
    if not 0 <= start < end <= clip.frames:
        raise MocapError(
            f"has {clip.frames} frames, not {start} to {end}",
            mend="Give frames that the clip has",
            where=clip.name,
        )
    return replace(clip, rotations=clip.rotations[start:end], trans=clip.trans[start:end])


def respeeded(clip: Clip, factor: float) -> Clip:
    """The clip `factor` times as fast: rotations by slerp, translation linearly.

    Raises:
        MocapError: the factor is not positive.
    """
    if factor <= 0:
        raise MocapError(f"{factor} times as fast", mend="Give a factor over 0", where=clip.name)
    count = int((clip.frames - 1) / factor + 1e-6) + 1
    places = torch.arange(count, dtype=torch.float64) * factor
    before = places.long().clamp(max=clip.frames - 2)
    share = (places - before).clamp(0, 1)
    return replace(
        clip,
        name=f"{clip.name}_x{round(factor * 100)}",
        rotations=blend_rotations(
            clip.rotations[before], clip.rotations[before + 1], share[:, None, None]
        ),
        trans=torch.lerp(clip.trans[before], clip.trans[before + 1], share[:, None]),
    )


def spliced(first: Clip, second: Clip, *, blend: int) -> Clip:
    """The first clip, then the second, whose start is turned and moved to where the first ends.

    The last `blend` frames of the first and the first of the second are one stretch, blended
    with weights that start and end level (3s² − 2s³). L = L₁ + L₂ − blend.

    Raises:
        MocapError: the blend is longer than a clip, or shorter than two frames.
    """
    if not 2 <= blend <= min(first.frames, second.frames):
        raise MocapError(
            f"a blend of {blend} frames of clips of {first.frames} and {second.frames}",
            mend="Blend over 2 frames or more of both clips",
            where=f"{first.name}+{second.name}",
        )
    second = _aligned(first, second, blend)
    share = torch.linspace(0, 1, blend, dtype=torch.float64)
    share = (3 - 2 * share) * share**2
    rotations = blend_rotations(
        first.rotations[-blend:], second.rotations[:blend], share[:, None, None]
    )
    trans = torch.lerp(first.trans[-blend:], second.trans[:blend], share[:, None])
    return Clip(
        name=f"{first.name}+{second.name}",
        source=first.source,
        take=first.take,
        rotations=torch.cat((first.rotations[:-blend], rotations, second.rotations[blend:])),
        trans=torch.cat((first.trans[:-blend], trans, second.trans[blend:])),
        label=f"{first.label}, then {second.label}",
    )


def mismatch(first: Clip, second: Clip, *, blend: int) -> float:
    """How far apart, metres a joint, the poses are that a splice would blend into each other.

    In the middle of the overlap, heights included, wherever the two stand and face.
    """
    second = _aligned(first, second, blend)
    here, there = first.frames - blend + blend // 2, blend // 2
    ours, _ = cropped(first, here, here + 1).pose()
    theirs, _ = cropped(second, there, there + 1).pose()
    return float((ours - theirs).norm(dim=-1).mean())


def _aligned(first: Clip, second: Clip, blend: int) -> Clip:
    """The second clip with heading and place of the first in the middle of the overlap."""
    here, there = first.frames - blend + blend // 2, blend // 2
    turn = heading(first.rotations[here, 0]) - heading(second.rotations[there, 0])
    turned = moved(second, turn=turn, shift=torch.zeros(3, dtype=torch.float64))
    shift = first.trans[here] - turned.trans[there]
    shift[1] = 0  # heights are over the same ground
    return replace(turned, trans=turned.trans + shift)


def cycle(clip: Clip, *, shortest: int, blend: int) -> tuple[int, int]:
    """[start, end) of the stretch that best continues in itself, its end + blend in the clip.

    Compared over the whole blend: local rotations except where the body faces, and the root's
    tilt and height.

    Raises:
        MocapError: the clip is too short for it.
    """
    last = clip.frames - blend
    if last - shortest < 0:
        raise MocapError(
            f"has {clip.frames} frames",
            mend=f"A cycle needs {shortest + blend} or more",
            where=clip.name,
        )
    pose = _pose_numbers(clip).unfold(0, blend, 1).flatten(1)
    apart = torch.cdist(pose, pose)
    places = torch.arange(len(pose))
    apart[places[None, :] - places[:, None] < shortest] = torch.inf
    best = int(apart.argmin())
    return best // len(pose), best % len(pose)


def chained(clip: Clip, *, frames: int, shortest: int = 24, blend: int = 5) -> Clip:
    """The clip's best cycle, repeated until there are at least `frames`, then cut to them."""
    start, end = cycle(clip, shortest=shortest, blend=blend)
    lap = cropped(clip, start, end + blend)
    whole = cropped(clip, 0, end + blend)
    while whole.frames < frames:
        whole = spliced(whole, lap, blend=blend)
    whole = cropped(whole, 0, frames)
    return replace(whole, name=f"{clip.name}_c{frames}", label=clip.label)


def cycle_mismatch(clip: Clip, *, shortest: int, blend: int = 5) -> float:
    """How far apart, metres a joint, the end and the start of the best cycle are."""
    start, end = cycle(clip, shortest=shortest, blend=blend)
    whole, lap = cropped(clip, 0, end + blend), cropped(clip, start, end + blend)
    return mismatch(whole, lap, blend=blend)


def _pose_numbers(clip: Clip) -> Tensor:
    """(L, C) numbers that are near where poses are, wherever the body stands and faces."""
    tilt = clip.rotations[:, 0, 1]
    return torch.cat((clip.rotations[:, 1:].flatten(1), tilt, clip.trans[:, 1:2]), dim=1)
