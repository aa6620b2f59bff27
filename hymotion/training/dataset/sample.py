"""A motion of the dataset and what it shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hymotion.training.dataset.augmentation import cropped, mirrored, mirrored_text
from hymotion.training.dataset.labels import Segment
from hymotion.training.mocap.clip import Clip

LONGEST = 360
"""Frames of the longest motion."""

GAITS: Mapping[str, int] = {
    "walk": 24, "walk_backward": 24, "stealthy_walk": 40, "zombie_walk": 30, "run": 16, "jog": 16,
}  # fmt: skip
CYCLIC: Mapping[str, int] = {
    **GAITS, "walk_sideways": 40, "crawl": 40, "hop": 24, "dance": 36, "dribble": 30,
    "jumping_jacks": 24, "raise_knees": 40, "twist": 40, "wash_windows": 40, "direct_traffic": 40,
    "swordplay": 60, "box": 60, "laugh": 60,
}  # fmt: skip
"""Actions that are chained, and the shortest cycle, frames."""

STEADY = frozenset(
    {"box", "dance", "direct_traffic", "dribble", "laugh", "reach_up", "swordplay", "twist"}
    | {"walk", "walk_backward", "walk_sideways", "walk_turn", "stealthy_walk", "zombie_walk"}
    | {"wash_windows", "jumping_jacks", "raise_knees", "hop", "jog", "run", "crawl"}
)
"""Actions of which any stretch shows the action."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A motion of the dataset and what it shows, in order."""

    clip: Clip
    shows: tuple[tuple[str, Mapping[str, str]], ...]
    split: str

    @property
    def action(self) -> str:
        """What it shows first."""
        return self.shows[0][0]


def segment_samples(takes: Mapping[str, Clip], segments: Sequence[Segment]) -> list[Sample]:
    """Each segment once, feet planted, at its own speed."""
    samples: list[Sample] = []
    for segment in segments:
        cut = cropped(takes[segment.take], segment.start, segment.end)
        clip = replace(cut, name=segment.name, label=segment.action).planted()
        samples.append(Sample(clip, ((segment.action, segment.attributes),), segment.split))
    return samples


def mirror(sample: Sample) -> Sample:
    """A sample in the mirror, its attributes too."""
    shows = tuple(
        (action, {key: mirrored_text(value) for key, value in attributes.items()})
        for action, attributes in sample.shows
    )
    return Sample(mirrored(sample.clip), shows, sample.split)
