"""The numerics guard: what breaks, when it is seen, and that nothing waits for it."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from hymotion.errors import NumericsError
from hymotion.pipeline import Pipeline
from hymotion.sampling.guard import EXPLODING, LAG, Guard, Parcel, peaks, send_to_host
from hymotion.sampling.request import Request
from hymotion.sampling.solver import EulerSolver

NAN, INF = math.nan, math.inf


def broken(bad: dict[tuple[int, int], float], *, pack: int = 8) -> tuple[list[int], object]:
    """A field of ones, but for single numbers at (step, sample); and the steps it was asked."""
    calls: list[int] = []

    def velocity(t: Tensor, state: Tensor) -> Tensor:
        calls.append(len(calls) + 1)
        result = torch.ones(pack, 5, 201)
        for (step, sample), value in bad.items():
            if step == calls[-1]:
                result[sample, 2, 100] = value
        return result

    return calls, velocity


def solve(velocity: object, guard: Guard, *, steps: int, pack: int = 8) -> Tensor:
    return EulerSolver(steps).solve(
        velocity,  # type: ignore[arg-type]  # as the test gives it
        torch.zeros(pack, 5, 201),
        watch=guard,
    )


@dataclass
class Slow:
    """Numbers that arrive only once `rounds` more were sent; counts who had to wait."""

    rounds: int
    sent: int = 0
    waited: list[int] = field(default_factory=list)

    def __call__(self, numbers: Tensor) -> Parcel:
        self.sent += 1
        return SlowParcel(self, self.sent, [float(each) for each in numbers.tolist()])


@dataclass
class SlowParcel:
    road: Slow
    number: int
    content: list[float]

    def ready(self) -> bool:
        return self.road.sent >= self.number + self.road.rounds

    def read(self) -> list[float]:
        if not self.ready():
            self.road.waited.append(self.number)
        return self.content


@pytest.mark.parametrize("bad", [NAN, INF, -INF, EXPLODING * 1.01, -1e30])
@pytest.mark.parametrize("step", [1, 4, 7])
def test_what_breaks_is_named_at_once_on_the_cpu(bad: float, step: int) -> None:
    calls, velocity = broken({(step, 3): bad})
    with pytest.raises(NumericsError) as caught:
        solve(velocity, Guard(total=7, limits=(EXPLODING,) * 8), steps=7)
    error = caught.value
    assert (error.step, error.total, error.indices) == (step, 7, (3,))
    assert len(calls) == step
    kind = NumericsError.EXPLODING if math.isfinite(bad) else NumericsError.NON_FINITE
    assert error.reasons == {3: kind}
    assert error.peaks[3] == pytest.approx(abs(bad), nan_ok=True)
    assert "requests 3 of the pack" in str(error)


@pytest.mark.parametrize("rounds", [0, 1, 2, 100])
@pytest.mark.parametrize("step", [1, 2, 9, 10])
def test_what_arrives_late_is_seen_two_steps_later(rounds: int, step: int) -> None:
    calls, velocity = broken({(step, 3): NAN})
    road = Slow(rounds)
    with pytest.raises(NumericsError) as caught:
        solve(velocity, Guard(total=10, limits=(EXPLODING,) * 8, send=road), steps=10)
    assert (caught.value.step, caught.value.indices) == (step, (3,))
    assert len(calls) == min(step + min(rounds, LAG), 10)


def test_nothing_is_waited_for_that_arrives_within_two_steps() -> None:
    road = Slow(LAG)
    _, velocity = broken({})
    solve(velocity, Guard(total=20, limits=(EXPLODING,) * 8, send=road), steps=20)
    # The last two are on their way when the run ends.
    assert road.waited == [19, 20]
    slower = Slow(100)
    solve(velocity, Guard(total=20, limits=(EXPLODING,) * 8, send=slower), steps=20)
    assert slower.waited == list(range(1, 21))


def test_all_that_is_known_by_then_is_named() -> None:
    _, velocity = broken({(4, 1): 5e4, (4, 6): NAN, (5, 2): INF, (6, 1): NAN, (9, 0): NAN})
    with pytest.raises(NumericsError) as caught:
        solve(velocity, Guard(total=20, limits=(EXPLODING,) * 8, send=Slow(100)), steps=20)
    error = caught.value
    assert (error.step, error.indices) == (4, (1, 2, 6))
    assert error.reasons == {1: "exploding", 2: "non-finite", 6: "non-finite"}
    # Of a request that broke twice, what it was first.
    assert error.peaks[1] == 5e4
    assert "2 non-finite, 1 exploding, up to 5e+04" in str(error)


def test_each_sample_has_a_limit_of_its_own() -> None:
    limits = tuple(EXPLODING * scale for scale in (1.0, 5.0, 100.0))
    _, velocity = broken({(2, sample): 4 * EXPLODING for sample in range(3)}, pack=3)
    with pytest.raises(NumericsError) as caught:
        solve(velocity, Guard(total=3, limits=limits), steps=3, pack=3)
    assert caught.value.indices == (0,)
    _, velocity = broken({(2, 0): EXPLODING}, pack=3)
    solve(velocity, Guard(total=3, limits=limits), steps=3, pack=3)


def test_padding_frames_are_not_looked_at() -> None:
    velocity = torch.ones(3, 4, 201)
    velocity[0, 3, 7] = NAN
    velocity[1, 1, 0] = -8.0
    velocity[2, 0, 200] = NAN
    lengths = torch.tensor([3, 2, 4])
    valid = torch.arange(4)[None] < lengths[:, None]
    assert peaks(velocity, valid).tolist() == [1.0, 8.0, pytest.approx(NAN, nan_ok=True)]
    assert peaks(velocity)[0].isnan()


def test_a_mixed_pack_is_guarded_where_it_is_wanted() -> None:
    _, velocity = broken({(2, 1): NAN}, pack=2)
    valid = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    solve(velocity, Guard(total=3, limits=(1e3, 1e3), valid=valid), steps=3, pack=2)


def test_on_the_cpu_numbers_arrive_at_once() -> None:
    parcel = send_to_host(torch.tensor([1.5, NAN]))
    assert parcel.ready()
    assert parcel.read()[0] == 1.5


def test_a_pipeline_s_guard_knows_each_request(
    lite: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[dict[str, object]] = []

    def spy(**given: object) -> Guard:
        made.append(given)
        return Guard(**given)  # type: ignore[arg-type]  # as the test gives it

    monkeypatch.setattr(lite, "_make_watch", spy)
    scales = (0.0, 1.0, 2.5, 100.0)
    lite.sample(
        [
            Request(frames=frames, seed=1, prompt="a", steps=2, guidance=scale)
            for frames, scale in zip((20, 25, 30, 22), scales, strict=True)
        ]
    )
    [mixed] = made
    assert mixed["total"] == 2
    assert mixed["limits"] == (EXPLODING, EXPLODING, 2.5 * EXPLODING, 100 * EXPLODING)
    valid = mixed["valid"]
    assert isinstance(valid, Tensor)
    assert valid.shape == (4, 30)
    assert valid.sum(1).tolist() == [20, 25, 30, 22]
    lite.sample([Request(frames=20, seed=1, prompt="a", steps=1)] * 2)
    # Nothing is masked where nothing is padding.
    assert made[1]["valid"] is None


@pytest.mark.parametrize("guidance", [1.0, 100.0])
@pytest.mark.parametrize("mode", ["full", "lite"])
def test_no_sound_motion_sets_it_off(
    mode: str, guidance: float, request: pytest.FixtureRequest
) -> None:
    pipeline: Pipeline = request.getfixturevalue(mode)
    prompts = ["a person walks", "does a backflip", "", "zzz qqq"]
    pipeline.sample(
        [
            Request(frames=30, seed=seed, prompt=prompt, steps=10, guidance=guidance)
            for seed, prompt in enumerate(prompts)
        ]
    )
