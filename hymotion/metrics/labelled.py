"""Labelled motions, for training and testing a classifier."""

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
        split: "train" for training, "held" for testing. Split by take, or by segment if there is
            only one take, before cropping or mirroring; otherwise training has seen the held
            motions.
        span: (first frame, one past the last) of the action, if the motion has rest before or
            after it; None if all of it shows the action.
    """

    motion: Motion
    action: str
    split: Split = "train"
    span: tuple[int, int] | None = None
