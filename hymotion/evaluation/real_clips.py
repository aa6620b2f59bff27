"""Real clips as motions, for training judges and for comparison with generated motions.

Generated motions come from the decoder, which smooths them and puts them on the ground. So the
real ones go through the same decoder, as frames with mean 0 and standard deviation 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from hymotion.body.motion import Motion
from hymotion.decoding import Decoder
from hymotion.metrics.labelled import Labelled, Split
from hymotion.training.build import read_samples
from hymotion.training.dataset.augmentation import cropped, mirrored, respeeded, spliced
from hymotion.training.dataset.frames import SIZE, canonical, frames_of
from hymotion.training.dataset.holding import Sway, held
from hymotion.training.dataset.labels import SHORTEST
from hymotion.training.dataset.sample import GAITS
from hymotion.training.dataset.variation import GAIT_SPEEDS, SPEEDS
from hymotion.training.mocap.clip import Clip

BLEND = 10
"""Frames over which rest is blended into an action."""


@dataclass(frozen=True, eq=False)
class RealClip:
    """A segment of a take with planted feet, before the decoder.

    Attributes:
        clip: at its original speed, on the ground.
        action: its name, which is independent of sides, so a mirrored clip keeps it.
        split: "train" or "held".
    """

    clip: Clip
    action: str
    split: Split

    def labelled(self) -> Labelled:
        """As a decoded motion."""
        return Labelled(decoded(self.clip), self.action, self.split)

    def standing(self, before: int, after: int, sway: Sway, start: int) -> Labelled:
        """As a decoded motion whose end poses are held with sway, from frame `start` of it."""
        clip = held(self.clip, before=before, after=after, sway=sway, start=start)
        span = before, before + self.clip.frames
        return Labelled(decoded(clip), self.action, self.split, span)

    def between(self, before: Clip, after: Clip) -> Labelled:
        """As a decoded motion between two clips of rest, such as those of `still`."""
        clip = spliced(before, self.clip, blend=BLEND)
        whole = spliced(clip, after, blend=BLEND)
        span = before.frames - BLEND // 2, clip.frames - BLEND // 2
        return Labelled(decoded(whole), self.action, self.split, span)

    def variants(self, speeds: Sequence[float] | None = None) -> Iterator["RealClip"]:
        """The clip and its mirror image at each speed that leaves at least 20 frames."""
        for speed in speeds or (GAIT_SPEEDS if self.action in GAITS else SPEEDS):
            for side in (self.clip, mirrored(self.clip)):
                clip = side if speed == 1.0 else respeeded(side, speed)
                if clip.frames >= SHORTEST:
                    yield replace(self, clip=clip)


def real_clips(data: Path) -> tuple[tuple[RealClip, ...], Sway]:
    """The clips and the sway from a folder of archives; see `read_samples`."""
    samples, sway = read_samples(data)
    # The table's reader refuses any other split.
    clips = (RealClip(one.clip, one.action, cast("Split", one.split)) for one in samples)
    return tuple(clips), sway


def still(clip: Clip, frame: int, frames: int) -> Clip:
    """A pose of the clip, held for some frames."""
    held = cropped(clip, frame, frame + 1)
    return replace(
        held,
        name=f"{clip.name}_rest",
        rotations=held.rotations.expand(frames, -1, -1, -1),
        trans=held.trans.expand(frames, -1),
    )


def decoded(clip: Clip) -> Motion:
    """The clip as a motion, after the decoder that generated motions go through."""
    decoder = Decoder(mean=torch.zeros(SIZE), std=torch.ones(SIZE))
    [motion] = decoder.decode([frames_of(canonical(clip))])
    return motion
