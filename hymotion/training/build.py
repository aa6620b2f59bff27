"""Builds the dataset: `python -m hymotion.training.build DATA_FOLDER OUT`.

Reads the archives, cuts the segments, plants the feet, varies, splices, and writes a motion a
`.npz` with its texts, the statistics of the training split, and a manifest. The same data and
seed give the same bytes. Held-out segments are neither varied nor spliced with training ones.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hymotion.training.archives import read_takes
from hymotion.training.augmentation import (
    chained,
    cropped,
    mirrored,
    mirrored_text,
    respeeded,
    spliced,
)
from hymotion.training.clip import Clip
from hymotion.training.contacts import planted
from hymotion.training.dataset import MANIFEST, STATISTICS, VERSION
from hymotion.training.frames import canonical, frames_of
from hymotion.training.labels import SHORTEST, Segment, own_segments
from hymotion.training.texts import Texts, own_texts

SPEEDS = (0.9, 1.0, 1.1)
LONGEST = 360
CYCLIC = {
    "walk": 24,
    "walk_backward": 24,
    "stealthy_walk": 40,
    "zombie_walk": 30,
    "run": 16,
    "jog": 16,
}
"""Actions that are chained, and the shortest cycle, frames."""
CHAINS = (60, 120, 200)
STEADY = frozenset(
    {"box", "dance", "direct_traffic", "dribble", "laugh", "reach_up", "swordplay", "twist"}
    | {"walk", "walk_backward", "walk_sideways", "walk_turn", "stealthy_walk", "zombie_walk"}
    | {"wash_windows", "drink", "jumping_jacks", "raise_knees", "hop", "jog", "run", "crawl"}
)
"""Actions of which any stretch shows the action."""
STRETCH = 75
NO_END = frozenset({"crawl", "climb_steps", "climb_ladder"})
NO_START = frozenset({"crawl", "get_up", "climb_steps", "climb_ladder"})
"""Actions that do not end, or do not start, upright on the ground: not spliced there."""
BLEND = 12
TEXTS = 40
"""Texts of a sequence kept, of the hundreds there are."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """A motion of the dataset and what it shows, in order."""

    clip: Clip
    shows: tuple[tuple[str, Mapping[str, str]], ...]
    split: str


def segment_samples(takes: Mapping[str, Clip], segments: Sequence[Segment]) -> list[Sample]:
    """Each segment once, feet planted, at its own speed."""
    samples: list[Sample] = []
    for segment in segments:
        cut = cropped(takes[segment.take], segment.start, segment.end)
        clip = planted(replace(cut, name=segment.name, label=segment.action))
        samples.append(Sample(clip, ((segment.action, segment.attributes),), segment.split))
    return samples


def mirror(sample: Sample) -> Sample:
    """A sample in the mirror, its attributes too."""
    shows = tuple(
        (action, {key: mirrored_text(value) for key, value in attributes.items()})
        for action, attributes in sample.shows
    )
    return Sample(mirrored(sample.clip), shows, sample.split)


def varied(sample: Sample) -> Iterator[Sample]:
    """Variants of a training sample: mirrored, at other speeds, chained."""
    [(action, _)] = sample.shows
    for side in (sample, mirror(sample)):
        for speed in SPEEDS:
            clip = side.clip if speed == 1.0 else respeeded(side.clip, speed)
            if clip.frames >= SHORTEST:
                yield replace(side, clip=cropped(clip, 0, min(clip.frames, LONGEST)))
        shortest = CYCLIC.get(action, LONGEST)
        # A chain needs a cycle, its blend, and some choice of where to begin.
        if side.clip.frames >= shortest + 8:
            for frames in CHAINS:
                yield replace(side, clip=chained(side.clip, frames=frames, shortest=shortest))


def sequences(samples: Sequence[Sample], count: int, draw: random.Random) -> Iterator[Sample]:
    """`count` pairs of samples of one split, actions drawn evenly, spliced and planted again."""
    firsts = _by_action(samples, NO_END)
    seconds = _by_action(samples, NO_START)
    for number in range(count):
        first, second = (_part(draw, group) for group in (firsts, seconds))
        clip = planted(spliced(first.clip, second.clip, blend=BLEND))
        clip = cropped(clip, 0, min(clip.frames, LONGEST))
        clip = replace(clip, name=f"sequence_{first.split}_{number:05d}")
        yield Sample(clip, first.shows + second.shows, first.split)


def _by_action(samples: Sequence[Sample], without: frozenset[str]) -> list[list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        action = sample.shows[0][0]
        # Two longer than this would not fit into the longest motion.
        if action not in without and (action in STEADY or sample.clip.frames <= LONGEST // 2):
            groups.setdefault(action, []).append(sample)
    return [groups[action] for action in sorted(groups)]


def _part(draw: random.Random, groups: Sequence[Sequence[Sample]]) -> Sample:
    """A sample of a drawn action, mirrored half of the time; a stretch of it if it is steady."""
    sample = draw.choice(draw.choice(groups))
    if draw.random() < 0.5:
        sample = mirror(sample)
    extra = sample.clip.frames - STRETCH
    if sample.shows[0][0] in STEADY and extra > 0:
        start = draw.randrange(extra + 1)
        return replace(sample, clip=cropped(sample.clip, start, start + STRETCH))
    return sample


def texts_of(sample: Sample, texts: Texts, draw: random.Random) -> tuple[str, ...]:
    """The sample's texts, those of its split."""
    if len(sample.shows) == 1:
        return texts.of(*sample.shows[0], sample.split)
    first, second = sample.shows
    whole = texts.sequence(first, second, sample.split)
    return tuple(draw.sample(whole, min(TEXTS, len(whole))))


def build(data: Path, out: Path, *, pairs: int, seed: int) -> dict[str, object]:
    """Write the dataset and return its manifest.

    Args:
        data: folder with the archives.
        out: folder to write to.
        pairs: sequences of training segments; a tenth as many of held-out ones.
        seed: of the drawing of sequences and their texts.

    Raises:
        MocapError: the data cannot be used.
    """
    segments = own_segments()
    takes = read_takes(data, frozenset(segment.take for segment in segments))
    return write(segment_samples(takes, segments), out, pairs=pairs, seed=seed)


def write(samples: Sequence[Sample], out: Path, *, pairs: int, seed: int) -> dict[str, object]:
    """Vary, splice and write samples; returns the manifest."""
    draw = random.Random(seed)  # noqa: S311 — no secrets
    texts = own_texts()
    folder = out / "motions"
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    sums = np.zeros((3, 201))
    for sample in _all(samples, pairs, draw):
        frames = frames_of(canonical(sample.clip)).numpy()
        words = np.array(texts_of(sample, texts, draw))
        file = f"motions/{sample.clip.name}.npz"
        np.savez(out / file, frames=frames, texts=words)
        if sample.split == "train":
            double = frames.astype(np.float64)
            sums += [np.full(201, len(frames)), double.sum(0), (double**2).sum(0)]
        rows.append(_row(sample, file))
    count, total, squares = sums
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    np.savez(out / STATISTICS, mean=mean.astype(np.float32), std=std.astype(np.float32))
    manifest: dict[str, object] = {"version": VERSION, "seed": seed, "fps": 30, "motions": rows}
    (out / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _all(samples: Sequence[Sample], pairs: int, draw: random.Random) -> Iterator[Sample]:
    train = [sample for sample in samples if sample.split == "train"]
    held = [sample for sample in samples if sample.split == "held"]
    for sample in train:
        yield from varied(sample)
    yield from held
    yield from sequences(train, pairs, draw)
    yield from sequences(held, pairs // 10, draw)


def _row(sample: Sample, file: str) -> dict[str, object]:
    return {
        "file": file,
        "split": sample.split,
        "frames": sample.clip.frames,
        "source": sample.clip.source,
        "take": sample.clip.take,
        "actions": [action for action, _ in sample.shows],
        "attributes": [dict(attributes) for _, attributes in sample.shows],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m hymotion.training.build", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with cmu.tar.xz and deepmimic.tar.xz")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--pairs", type=int, default=1500, help="spliced sequences")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    manifest = build(chosen.data, chosen.out, pairs=chosen.pairs, seed=chosen.seed)
    rows = manifest["motions"]
    sys.stdout.write(f"{len(rows) if isinstance(rows, list) else 0} motions in {chosen.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
