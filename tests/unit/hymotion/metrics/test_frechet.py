"""The Fréchet distance: its formula, its shrinkage, and what it says of sets of motions."""

from pathlib import Path

import pytest
import torch

from hymotion.errors import MeasureError
from hymotion.metrics import Reference, halves, read_reference, save_reference
from hymotion.metrics.moments import ClipSums, Moments, frechet_distance, shrunk
from hymotion.metrics.space import Space
from tests.unit.hymotion.metrics.bodies import acting, noise


def diagonal(mean: list[float], deviations: list[float]) -> Moments:
    spread = torch.tensor(deviations, dtype=torch.float64)
    return Moments(mean=torch.tensor(mean, dtype=torch.float64), covariance=torch.diag(spread**2))


def gaussian(*shape: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_distance_of_gaussians_along_the_axes() -> None:
    one, other = diagonal([0, 1, 2], [1, 2, 3]), diagonal([3, 1, 1], [2, 2, 0])
    # |m₁ − m₂|² + Σ (σ₁ − σ₂)²
    assert frechet_distance(one, other) == pytest.approx(10 + 1 + 0 + 9)


def test_distance_is_the_same_in_turned_axes_and_both_ways() -> None:
    turn, _ = torch.linalg.qr(gaussian(3, 3, seed=1))
    mix = gaussian(3, 3, seed=2)
    one, other = diagonal([0, 1, 2], [1, 2, 3]), Moments(gaussian(3, seed=3), mix @ mix.T)
    turned = [Moments(turn @ m.mean, turn @ m.covariance @ turn.T) for m in (one, other)]
    expected = frechet_distance(one, other)
    assert frechet_distance(*turned) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)
    assert frechet_distance(other, other) == pytest.approx(0, abs=1e-9)


def test_sums_over_clips_give_the_moments_of_all_windows() -> None:
    clips = [gaussian(count, 3, seed=count) + count for count in (4, 9, 200)]
    moments = Moments.of(ClipSums.of(clips))
    windows = torch.cat(clips)
    assert torch.allclose(moments.mean, windows.mean(0))
    plain = torch.cov(windows.T, correction=0)
    assert torch.allclose(moments.covariance, shrunk(plain, len(windows) / 2))


def test_a_resample_is_what_its_clips_add_up_to() -> None:
    clips = [gaussian(count, 3, seed=count) + count for count in (4, 9, 200)]
    drawn = torch.randint(3, (3,), generator=torch.Generator().manual_seed(6)).tolist()
    assert sorted(drawn) != [0, 1, 2], "one is drawn twice"
    sums = ClipSums.of(clips).resampled(torch.Generator().manual_seed(6))
    copied = Moments.of(ClipSums.of([clips[place] for place in drawn]))
    assert torch.allclose(Moments.of(sums).mean, copied.mean)
    assert torch.allclose(Moments.of(sums).covariance, copied.covariance)


def test_shrinkage_fades_with_samples_and_mends_the_rank() -> None:
    covariance = torch.diag(torch.tensor([4.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    few, many = shrunk(covariance, 3), shrunk(covariance, 1e6)
    assert torch.linalg.eigvalsh(few).min() > 0.1
    assert torch.allclose(many, covariance, atol=1e-4)
    assert few.trace() == pytest.approx(5)
    flat = torch.eye(3, dtype=torch.float64)
    assert torch.allclose(shrunk(flat, 2), flat)


def test_the_space_standardises_its_own_reference() -> None:
    mix = gaussian(6, 40, seed=4)
    points = gaussian(500, 6, seed=5) @ mix + gaussian(500, 40, seed=6) * 0.1 + 7
    space = Space.fit(points)
    [placed] = space.place([points])
    assert placed.shape == (500, 33)
    assert torch.allclose(placed.mean(0), torch.zeros(33).double(), atol=1e-9)
    assert torch.allclose(placed.std(0), torch.ones(33).double(), atol=1e-9)


def test_the_space_sees_what_lies_off_its_axes() -> None:
    # Two numbers that always agree, and 40 that tell nothing of each other.
    agreed = gaussian(300, 1, seed=7)
    points = torch.cat((agreed, agreed, gaussian(300, 2, seed=8) @ gaussian(2, 40, seed=9)), dim=1)
    space = Space.fit(points + gaussian(300, 42, seed=10) * 0.01)
    torn = space.mean.clone()
    torn[0] += 2 * space.scale[0]
    torn[1] -= 2 * space.scale[1]
    assert space.place([torn[None]])[0][0, -1] > 2
    assert space.place([points])[0].abs().max() < 10


def test_one_bad_window_counts_no_more_than_five_deviations() -> None:
    points = gaussian(200, 40, seed=11)
    space = Space.fit(points)
    wild = points[:1].clone()
    wild[0, 3] = 1e6
    far = points[:1].clone()
    far[0, 3] = float(space.mean[3] + 5 * space.scale[3])
    assert torch.allclose(*space.place([wild, far]))


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.of(
        acting(action, seed=seed) for seed in range(12) for action in ("march", "wave", "bow")
    )


def test_the_order_is_same_real_another_action_noise(reference: Reference) -> None:
    same = reference.distance(
        acting(action, seed=seed) for seed in range(12) for action in ("march", "wave", "bow")
    )
    others = reference.distance(
        acting(action, seed=seed) for seed in range(50, 62) for action in ("march", "wave", "bow")
    )
    two = halves(
        acting(action, seed=seed) for seed in range(12) for action in ("march", "wave", "bow")
    )
    lonely = reference.distance(acting("turn", seed=seed) for seed in range(36))
    noisy = reference.distance(noise(seed=seed) for seed in range(36))
    assert same.value == pytest.approx(0, abs=1e-6)
    assert others.value < two.value < lonely.value < noisy.value
    assert lonely.value > 5 * two.value
    assert noisy.low > lonely.high


def test_the_interval_holds_the_value_and_narrows_with_clips(reference: Reference) -> None:
    few = reference.distance(acting("march", seed=seed) for seed in range(100, 108))
    many = reference.distance(acting("march", seed=seed) for seed in range(100, 140))
    for distance in (few, many):
        assert 0 <= distance.low < distance.value < distance.high
    assert (few.clips, few.windows) == ((36, 8), (180, 40))
    assert many.clips == (36, 40)


def test_the_seed_decides_the_interval_and_not_the_value(reference: Reference) -> None:
    motions = [acting("march", seed=seed) for seed in range(8)]
    one, again = reference.distance(motions, seed=1), reference.distance(motions, seed=1)
    other = reference.distance(motions, seed=2)
    assert one == again
    assert one.value == other.value
    assert one.high != other.high


def test_too_few_clips_are_refused(reference: Reference) -> None:
    with pytest.raises(MeasureError, match="at least 8") as caught:
        reference.distance(acting("march", seed=seed) for seed in range(7))
    assert caught.value.value == 7
    with pytest.raises(MeasureError, match="at least 8"):
        Reference.of([acting("march", seed=0)])
    with pytest.raises(MeasureError, match="at least 8"):
        halves(acting("march", seed=seed) for seed in range(15))


def test_summaries_kept_one_by_one_give_the_same_distance(reference: Reference) -> None:
    motions = [acting("march", seed=seed) for seed in range(8)]
    sums = [reference.summary(motion) for motion in motions]
    assert (sums[0].count, *sums[0].total.shape, *sums[0].outer.shape) == (5, 33, 33, 33)
    assert reference.distance_of(sums) == reference.distance(motions)
    with pytest.raises(MeasureError, match="at least 8"):
        reference.distance_of(sums[:7])
    [other] = ClipSums.of([gaussian(4, 5, seed=1)]).split()
    with pytest.raises(MeasureError, match="not made by this reference"):
        reference.distance_of([*sums, other])


def test_a_reference_comes_back_from_its_file(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "reference.npz"
    save_reference(reference, path)
    back = read_reference(path)
    assert back.revision == reference.revision
    motions = [acting("march", seed=seed) for seed in range(8)]
    there, here = reference.distance(motions), back.distance(motions)
    assert here.value == pytest.approx(there.value, rel=1e-4)
    assert here.clips == there.clips
    others = Reference.of(acting("bow", seed=seed) for seed in range(8))
    assert others.revision != reference.revision
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MeasureError, match="no reference"):
        read_reference(path)
    with pytest.raises(MeasureError, match="no reference"):
        read_reference(tmp_path / "absent.npz")
