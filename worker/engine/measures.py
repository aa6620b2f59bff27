"""The Fréchet Motion Distance: the stored features of each motion, and the distance of many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from hymotion.body.motion import Motion
from hymotion.device import one_thread
from hymotion.metrics.frechet import Reference
from hymotion.metrics.moments import WindowSums
from hymotion.metrics.quality import measure
from hymotion.metrics.referencefile import SHIPPED, load_reference
from jobs.domain.attempts import Features, MotionQuality
from jobs.monitoring.distance import LEAST, Measure, MotionDistance
from worker.errors import FeaturesError, NotFiniteError

#: The stored number type, little-endian on every machine.
NUMBER = np.dtype("<f4")


def shipped() -> Reference | None:
    """The statistics of real motions in this installation; None if it has none.

    Raises:
        MeasureError: they cannot be read.
    """
    there = Path(str(files("hymotion.metrics") / SHIPPED)).is_file()
    return load_reference() if there else None


def keep(motions: Sequence[Motion], reference: Reference | None) -> list[Features | None]:
    """The features to store for each finite motion; about 1.5 ms for 120 frames on one CPU core.

    Without a reference, None for each.
    """
    if reference is None:
        return [None] * len(motions)
    return [pack(reference.summary(motion), reference.revision) for motion in motions]


def gauge() -> Measure | None:
    """The function that measures the distance from the shipped reference; None if there is none."""
    reference = shipped()
    return None if reference is None else partial(frechet, reference)


def frechet(reference: Reference, features: Sequence[Features]) -> MotionDistance | None:
    """The distance of motions from a reference.

    Features that were computed with another reference (before an update) are skipped.

    Returns:
        None if fewer than 8 motions remain.

    Raises:
        FeaturesError: stored features are damaged.
    """
    size = len(reference.space.centre)
    same = [unpack(one, size) for one in features if one.reference == reference.revision]
    if len(same) < LEAST:
        return None
    with one_thread():
        distance = reference.distance_of(same)
    real, made = distance.clips
    return MotionDistance(
        value=distance.value,
        low=distance.low,
        high=distance.high,
        motions=made,
        real=real,
        reference=reference.revision,
    )


def pack(sums: WindowSums, reference: str) -> Features:
    """Pack the sums as float32: the total, then the upper triangle of the products, row by row.

    33 dimensions take 2376 bytes.
    """
    rows, columns = torch.triu_indices(*sums.outer.shape)
    numbers = torch.cat((sums.total, sums.outer[rows, columns]))
    blob = numbers.numpy().astype(NUMBER).tobytes()
    return Features(reference=reference, windows=sums.count, blob=blob)


def unpack(features: Features, size: int) -> WindowSums:
    """Read the sums that `pack` wrote, in a space of `size` dimensions.

    Raises:
        FeaturesError: the blob has the wrong length, or non-finite numbers.
    """
    wanted = (size + size * (size + 1) // 2) * NUMBER.itemsize
    if len(features.blob) != wanted:
        raise FeaturesError(f"has {len(features.blob)} bytes, not {wanted}")
    stored = np.frombuffer(features.blob, NUMBER)
    if not np.isfinite(stored).all():
        raise FeaturesError("has non-finite numbers")
    numbers = torch.from_numpy(stored.astype(np.float64))
    rows, columns = torch.triu_indices(size, size)
    outer = numbers.new_empty(size, size)
    outer[rows, columns] = outer[columns, rows] = numbers[size:]
    return WindowSums(count=features.windows, total=numbers[:size], outer=outer)


def qualities(motions: Sequence[Motion]) -> list[MotionQuality]:
    """The quality of each motion; about 1 ms for 120 frames on one CPU core.

    Raises:
        NotFiniteError: motions are not finite and must not be delivered.
    """
    measured = [measure(motion) for motion in motions]
    bad = [place for place, each in enumerate(measured) if not each.finite]
    if bad:
        raise NotFiniteError(bad)
    return [
        MotionQuality(skate_mm=each.skate, penetration_mm=each.penetration, jitter=each.jitter)
        for each in measured
    ]
