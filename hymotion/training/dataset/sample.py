"""Samples of the dataset: motions with their actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hymotion.training.dataset.augmentation import cropped, mirrored, mirrored_text
from hymotion.training.dataset.labels import Segment
from hymotion.training.mocap.clip import Clip

LONGEST = 360
"""Maximum frames of a motion."""

GAITS: Mapping[str, int] = {
    "walk": 24, "walk_backward": 24, "stealthy_walk": 40, "zombie_walk": 30, "run": 16, "jog": 16,
}  # fmt: skip
CYCLIC: Mapping[str, int] = {
    **GAITS, "walk_sideways": 40, "crawl": 40, "hop": 24, "dance": 36, "dribble": 30,
    "jumping_jacks": 24, "raise_knees": 40, "twist": 40, "wash_windows": 40, "direct_traffic": 40,
    "swordplay": 60, "box": 60, "laugh": 60,
}  # fmt: skip
"""Actions whose cycles are repeated, with the shortest cycle in frames."""

STEADY = frozenset(
    {"box", "dance", "direct_traffic", "dribble", "laugh", "reach_up", "swordplay", "twist"}
    | {"walk", "walk_backward", "walk_sideways", "walk_turn", "stealthy_walk", "zombie_walk"}
    | {"wash_windows", "jumping_jacks", "raise_knees", "hop", "jog", "run", "crawl"}
)
"""Actions that any part of the clip shows."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A motion of the dataset with its actions in order."""

    clip: Clip
    shows: tuple[tuple[str, Mapping[str, str]], ...]
    split: str

    @property
    def action(self) -> str:
        """The first action."""
        return self.shows[0][0]


def segment_samples(takes: Mapping[str, Clip], segments: Sequence[Segment]) -> list[Sample]:
    """One sample per segment, with planted feet, at the original speed."""
    samples: list[Sample] = []
    for segment in segments:
        cut = cropped(takes[segment.take], segment.start, segment.end)
        clip = replace(cut, name=segment.name, label=segment.action).planted()
        samples.append(Sample(clip, ((segment.action, segment.attributes),), segment.split))
    return samples


def mirror(sample: Sample) -> Sample:
    """The mirrored sample, including its attributes."""
    shows = tuple(
        (action, {key: mirrored_text(value) for key, value in attributes.items()})
        for action, attributes in sample.shows
    )
    return Sample(mirrored(sample.clip), shows, sample.split)
