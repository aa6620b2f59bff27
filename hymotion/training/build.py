"""Builds the dataset: `python -m hymotion.training.build DATA_FOLDER OUT`.

Reads the archives, cuts the segments, plants the feet, varies, splices, and writes a motion a
`.npz`, the statistics of the training split, and a manifest. The same data and seed give the
same bytes, whatever the number of processes. Held-out segments are neither varied nor spliced
with training ones.
"""

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from hymotion.device import one_thread
from hymotion.training.dataset.augmentation import cropped
from hymotion.training.dataset.frames import SIZE, canonical, frames_of
from hymotion.training.dataset.holding import Sway
from hymotion.training.dataset.labels import own_segments
from hymotion.training.dataset.motion_dataset import MANIFEST, STATISTICS, VERSION
from hymotion.training.dataset.sample import Sample, segment_samples
from hymotion.training.dataset.sequence import Pairing
from hymotion.training.dataset.variation import LONGER, varied
from hymotion.training.mocap.archives import read_takes
from hymotion.training.mocap.clip import Clip

PAIRS = 3000
"""Sequences of two actions, unless told otherwise."""

STANDING = ("13_07", 180, 340)
"""A take and its frames in which somebody stands and hardly moves."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """A piece of the work: a segment's variants, or one sequence of a split."""

    kind: str
    number: int


@dataclass(frozen=True, eq=False)
class Yield:
    """What a unit gave: manifest rows, (3, 201) sums of training frames, pairs dropped."""

    rows: list[dict[str, object]]
    sums: Floats
    dropped: int


def _units(samples: Sequence[Sample], pairs: int) -> list[Unit]:
    """All pieces of the work, in the manifest's order."""
    there = {sample.split for sample in samples}
    return [Unit("segment", number) for number in range(len(samples))] + [
        Unit(split, number)
        for split, count in (("train", pairs), ("held", pairs // 10))
        for number in range(count if split in there else 0)
    ]


def build(data: Path, out: Path, *, pairs: int, seed: int, jobs: int = 1) -> dict[str, object]:
    """Write the dataset and return its manifest.

    Args:
        data: folder with the archives.
        out: folder to write to.
        pairs: sequences of training segments; a tenth as many of held-out ones.
        seed: of all that is drawn.
        jobs: processes.

    Raises:
        MocapError: the data cannot be used.
    """
    samples, sway = read_samples(data)
    return write(samples, out, sway=sway, pairs=pairs, seed=seed, jobs=jobs)


def read_samples(data: Path) -> tuple[list[Sample], Sway]:
    """Every segment of the table, in its order, and the sway of somebody who stands.

    Raises:
        MocapError: an archive or a take is missing or damaged.
    """
    segments = own_segments()
    take, start, end = STANDING
    with one_thread():
        takes = read_takes(data, frozenset(segment.take for segment in segments) | {take})
        return segment_samples(takes, segments), Sway.of(cropped(takes[take], start, end))


def write(
    samples: Sequence[Sample], out: Path, *, sway: Sway, pairs: int, seed: int, jobs: int = 1
) -> dict[str, object]:
    """Vary, splice and write samples; returns the manifest."""
    (out / "motions").mkdir(parents=True, exist_ok=True)
    units = _units(samples, pairs)
    if jobs == 1:
        yields = _made(out, seed, samples, sway, units)
    else:
        shares = [units[at::jobs] for at in range(jobs)]
        yields = _made_by_many(out, seed, samples, sway, shares)
    rows = [row for part in yields for row in part.rows]
    count, total, squares = sum((part.sums for part in yields), np.zeros((3, SIZE)))
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    np.savez(out / STATISTICS, mean=mean.astype(np.float32), std=std.astype(np.float32))
    dropped = sum(part.dropped for part in yields)
    manifest: dict[str, object] = {
        "version": VERSION,
        "seed": seed,
        "fps": 30,
        "pairs_dropped": dropped,
        "motions": rows,
    }
    # Last and at once: where a manifest is, the dataset is whole.
    part = out / f"{MANIFEST}.part"
    part.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    part.replace(out / MANIFEST)
    return manifest


def _made_by_many(
    out: Path, seed: int, samples: Sequence[Sample], sway: Sway, shares: Sequence[Sequence[Unit]]
) -> list[Yield]:
    """As one process would, each of several taking a share; the samples go through a file."""
    jobs = len(shares)
    rows = [
        (vars(sample.clip), [(action, dict(kind)) for action, kind in sample.shows], sample.split)
        for sample in samples
    ]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "samples.pt"
        torch.save((sway.turns, rows), file)
        # Started afresh, for threads of torch do not survive a fork.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            parts = list(pool.map(partial(_share, out, seed, file), shares))
    return [parts[at % jobs][at // jobs] for at in range(sum(map(len, shares)))]


def _share(out: Path, seed: int, file: Path, units: Sequence[Unit]) -> list[Yield]:
    turns, rows = torch.load(file, weights_only=True)
    samples = [Sample(Clip(**clip), tuple(shows), split) for clip, shows, split in rows]
    return _made(out, seed, samples, Sway(turns), units)


def _made(
    out: Path, seed: int, samples: Sequence[Sample], sway: Sway, units: Sequence[Unit]
) -> list[Yield]:
    bench = Bench.of(out, seed, samples, sway)
    with one_thread():
        return [bench.made(unit) for unit in units]


@dataclass(frozen=True, eq=False)
class Bench:
    """What every unit is made from.

    Attributes:
        pairings: by split.
        longer: by action, how many variants of a segment are made that are longer than it.
    """

    out: Path
    seed: int
    samples: Sequence[Sample]
    sway: Sway
    pairings: Mapping[str, Pairing]
    longer: Mapping[str, int]

    @classmethod
    def of(cls, out: Path, seed: int, samples: Sequence[Sample], sway: Sway) -> "Bench":
        """For these samples."""
        splits = {
            split: [sample for sample in samples if sample.split == split]
            for split in ("train", "held")
        }
        many = Counter(sample.action for sample in splits["train"])
        return cls(
            out=out,
            seed=seed,
            samples=samples,
            sway=sway,
            # Held-out sequences get no standing and keep their speed.
            pairings={
                "train": Pairing.of(splits["train"], sway),
                "held": Pairing.of(splits["held"], None),
            },
            longer={action: -(-LONGER // number) for action, number in many.items()},
        )

    def made(self, unit: Unit) -> Yield:
        """Make and write a unit."""
        # Every unit has its own dice, whoever throws them.
        chance = random.Random(f"{self.seed}/{unit.kind}/{unit.number}")  # noqa: S311 — no secrets
        if unit.kind != "segment":
            name = f"sequence_{unit.kind}_{unit.number:05d}"
            sequence, dropped = self.pairings[unit.kind].draw(name, chance)
            return _written(self.out, [sequence] if sequence else [], dropped)
        sample = self.samples[unit.number]
        if sample.split != "train":
            return _written(self.out, [sample], 0)
        variants = varied(sample, self.longer[sample.action], self.sway, chance)
        return _written(self.out, variants, 0)


def _written(out: Path, samples: Iterable[Sample], dropped: int) -> Yield:
    rows: list[dict[str, object]] = []
    sums = np.zeros((3, SIZE))
    for sample in samples:
        frames = frames_of(canonical(sample.clip)).numpy()
        file = f"motions/{sample.clip.name}.npz"
        np.savez(out / file, frames=frames)
        if sample.split == "train":
            double = frames.astype(np.float64)
            sums += [np.full(SIZE, len(frames)), double.sum(0), (double**2).sum(0)]
        rows.append(_row(sample, file))
    return Yield(rows, sums, dropped)


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
    parser.add_argument("--pairs", type=int, default=PAIRS, help="spliced sequences")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    chosen = parser.parse_args(arguments)
    manifest = build(
        chosen.data, chosen.out, pairs=chosen.pairs, seed=chosen.seed, jobs=chosen.jobs
    )
    rows = manifest["motions"]
    sys.stdout.write(
        f"{len(rows) if isinstance(rows, list) else 0} motions in {chosen.out}; "
        f"{manifest['pairs_dropped']} pairs dropped that do not fit together\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
