"""Labelled motions: what a classifier learns from and is held to."""

from dataclasses import dataclass
from typing import Literal

from hymotion.body.motion import Motion

Split = Literal["train", "held"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A real motion and the action it shows.

    Attributes:
        motion: one action, at least 20 frames.
        action: its name.
        split: "train" to learn from, "held" to be tested on. Split by take, or by segment
            where there is one take, before any cropping or mirroring: otherwise the held
            motions are known already.
        span: (first frame, one past the last) of what shows the action, where the motion has
            rest before or after it; None where all of it does.
    """

    motion: Motion
    action: str
    split: Split = "train"
    span: tuple[int, int] | None = None
