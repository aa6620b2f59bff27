"""The quality of motions; stored features give the same distance as the motions themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from hymotion.body.motion import Motion
from hymotion.body.skeleton import BODY, PELVIS_HEIGHT
from hymotion.metrics.frechet import Reference
from hymotion.metrics.moments import ClipSums
from jobs.domain.attempts import Features, MotionQuality
from jobs.monitoring.distance import LEAST, NAME, PLUGINS
from tests.unit.hymotion.metrics.bodies import acting
from worker.engine.measures import (
    frechet,
    gauge,
    measured,
    one_thread,
    pack,
    shipped,
    unpack,
)
from worker.errors import FeaturesError, NotFiniteError

FRAMES = 30
UPRIGHT = np.array([1, 0, 0, 1, 0, 0], np.float32)  # rows of the first two columns of the identity


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Twelve clips, of which no two are the same."""
    return Reference.of(acting("march", seed=seed) for seed in range(12))


def kept_of(motions: Sequence[Motion], reference: Reference) -> list[Features]:
    return [kept for _, kept in measured(motions, reference) if kept is not None]


@pytest.fixture(scope="module")
def kept(reference: Reference) -> list[Features]:
    """The features of ten motions."""
    motions = [acting("wave", seed=seed) for seed in range(10)]
    return kept_of(motions, reference)


def test_the_distance_is_that_of_the_motions(reference: Reference, kept: list[Features]) -> None:
    whole = reference.distance(acting("wave", seed=seed) for seed in range(10))
    found = frechet(reference, kept)
    assert found is not None
    wanted = (whole.value, whole.low, whole.high)
    assert (found.value, found.low, found.high) == pytest.approx(wanted, rel=1e-4)
    assert (found.real, found.motions) == whole.clips == (12, 10)
    assert found.reference == reference.revision
    assert found.value > 1, "waving is no marching"


def test_motions_of_another_reference_do_not_count(
    reference: Reference, kept: list[Features]
) -> None:
    other = [replace(one, reference="older") for one in kept]
    assert frechet(reference, other) is None
    assert frechet(reference, [*other, *kept]) == frechet(reference, kept)


def test_fewer_than_eight_have_no_distance(reference: Reference, kept: list[Features]) -> None:
    assert frechet(reference, kept[: LEAST - 1]) is None
    assert frechet(reference, kept[:LEAST]) is not None


def test_a_damaged_blob_is_refused(reference: Reference, kept: list[Features]) -> None:
    blob = kept[3].blob
    for damaged, said in (
        (blob[:-4], f"has {len(blob) - 4} bytes, not {len(blob)}; delete that row"),
        (blob[:-4] + b"\0\0\xc0\x7f", "non-finite numbers; delete that row"),
    ):
        with pytest.raises(FeaturesError, match=said):
            frechet(reference, [*kept, replace(kept[3], blob=damaged)])


def test_what_is_packed_comes_back() -> None:
    windows = torch.randn(7, 33, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    clips = ClipSums.of([windows, windows[:4] * 2])
    (packed, other), (sums, _) = pack(clips, "r"), clips.split()
    assert (packed.reference, packed.windows, len(packed.blob)) == ("r", 7, 2376)
    found = unpack(packed, 33)
    assert (found.count, unpack(other, 33).count) == (7, 4)
    torch.testing.assert_close(found.total, sums.total, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(found.outer, sums.outer, rtol=1e-6, atol=1e-6)
    assert torch.equal(found.outer, found.outer.T)


def test_without_a_reference_nothing_is_kept() -> None:
    assert [kept for _, kept in measured([acting("march", seed=0)] * 2, None)] == [None, None]


def test_the_shipped_reference_measures() -> None:
    reference = shipped()
    assert reference is not None
    motions = [acting("march", seed=seed) for seed in range(LEAST)]
    kept = kept_of(motions, reference)
    assert {len(one.blob) for one in kept} == {2376}
    measure = gauge()
    assert measure is not None
    found = measure(kept)
    assert found is not None
    assert (found.motions, found.reference) == (LEAST, reference.revision)
    assert 0 < found.low <= found.value <= found.high


def test_history_finds_it_by_its_entry_point() -> None:
    (point,) = entry_points(group=PLUGINS, name=NAME)
    assert point.load() is gauge


def test_the_threads_come_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def body(*, glide: float = 0.0, lift: float = 0.0) -> Motion:
    """A body at rest that moves `glide` metres a frame sideways, `lift` metres above the ground."""
    trans = np.zeros((FRAMES, 3), np.float32)
    trans[:, 0] = glide * np.arange(FRAMES)
    trans[:, 1] = PELVIS_HEIGHT + lift
    joints = BODY.joints.numpy().astype(np.float32) + trans[:, None]
    return Motion(rot6d=np.tile(UPRIGHT, (FRAMES, 22, 1)), trans=trans, joints=joints)


def broken() -> Motion:
    """A motion with one NaN."""
    found = body()
    found.joints[3, 4, 1] = np.nan
    return found


def test_every_figure_has_its_place_and_unit() -> None:
    (still, _), (gliding, _) = measured([body(), body(glide=0.01)], None)
    assert still == MotionQuality(skate_mm=0.0, penetration_mm=still.penetration_mm, jitter=0.0)
    assert gliding.skate_mm == pytest.approx(10.0, abs=1e-3)
    assert still.penetration_mm == pytest.approx(0.0, abs=1e-3)
    shaking = body()
    shaking.joints[::2, :, 1] += 0.001
    # Third differences of 0, 1, 0, 1 … mm are 4 mm long; 30³ of them a second.
    ((shaken, _),) = measured([shaking], None)
    assert shaken.jitter == pytest.approx(0.004 * 30**3, rel=1e-3)


def test_motions_that_are_not_finite_are_named(reference: Reference) -> None:
    with pytest.raises(NotFiniteError, match="jobs 1, 3 of the pack") as caught:
        measured([body(), broken(), body(), broken()], reference)
    assert caught.value.indices == (1, 3)


def test_a_larger_pack_takes_no_more_calls_of_torch(reference: Reference) -> None:
    class Counting(TorchFunctionMode):
        calls = 0

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None):
            self.calls += function is not torch.Tensor.__len__  # of a view: no computation
            return function(*args, **(kwargs or {}))

    pack = [acting("march", seed=seed, frames=20 + 7 * seed) for seed in range(9)]
    measured(pack, reference)  # fills the caches
    counts = []
    for motions in (pack[:2], pack):
        with Counting() as counting:
            measured(motions, reference)
        counts.append(counting.calls)
    assert counts[0] == counts[1]


def test_no_motions_have_no_measures(reference: Reference) -> None:
    assert measured([], reference) == []
