"""The Euler solver: its order, its callback, and whom it shows its velocities."""

import math

import pytest
import torch
from torch import Tensor

from hymotion.errors import NumericsError
from hymotion.sampling.guard import EXPLODING, Guard
from hymotion.sampling.solver import EulerSolver


def guard(steps: int, pack: int = 1) -> Guard:
    return Guard(total=steps, limits=(EXPLODING,) * pack)


def decay(t: Tensor, state: Tensor) -> Tensor:
    return -state


def test_solves_a_known_equation_to_first_order() -> None:
    start = torch.ones(1, 2, 3)
    errors = [
        abs(
            EulerSolver(steps).solve(decay, start, watch=guard(steps))[0, 0, 0].item()
            - math.exp(-1)
        )
        for steps in (50, 100)
    ]
    assert errors[0] < 0.005
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)


def test_times_go_from_0_to_the_last_step_before_1() -> None:
    times: list[float] = []

    def velocity(t: Tensor, state: Tensor) -> Tensor:
        times.append(round(t.item(), 6))
        return state

    EulerSolver(4).solve(velocity, torch.ones(1, 1, 1), watch=guard(4))
    assert times == [0.0, 0.25, 0.5, 0.75]


def test_calls_back_after_each_step() -> None:
    seen: list[tuple[int, int]] = []
    EulerSolver(3).solve(
        decay, torch.ones(1, 1, 1), watch=guard(3), on_step=lambda *step: seen.append(step)
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


class Stop(Exception):
    pass


def test_what_the_callback_raises_passes_through() -> None:
    stop = Stop()

    def on_step(step: int, total: int) -> None:
        if step == 2:
            raise stop

    with pytest.raises(Stop) as caught:
        EulerSolver(3).solve(decay, torch.ones(1, 1, 1), watch=guard(3), on_step=on_step)
    assert caught.value is stop


class Diary:
    """A watch that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float]] = []
        self.closed_after: int | None = None

    def look(self, step: int, velocity: Tensor) -> None:
        self.seen.append((step, velocity.max().item()))

    def close(self) -> None:
        self.closed_after = len(self.seen)


def test_shows_each_velocity_and_says_when_it_is_done() -> None:
    diary = Diary()
    EulerSolver(4).solve(lambda t, _: torch.full((1, 1, 1), t.item()), torch.ones(1), watch=diary)
    assert diary.seen == [(1, 0.0), (2, 0.25), (3, 0.5), (4, 0.75)]
    assert diary.closed_after == 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("steps", [7, 50])
def test_names_the_step_and_the_samples_that_are_not_finite(bad: float, steps: int) -> None:
    calls = 0

    def velocity(t: Tensor, state: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        result = torch.zeros_like(state)
        if calls == 4:
            result[1, 0, 0] = bad
            result[3, 0, 0] = bad
        return result

    with pytest.raises(NumericsError) as caught:
        EulerSolver(steps).solve(velocity, torch.zeros(5, 2, 2), watch=guard(steps, 5))
    assert caught.value.step == 4
    assert caught.value.indices == (1, 3)
    assert caught.value.total == steps
    # Found within two steps, not after the night.
    assert calls <= 6


def test_the_state_keeps_the_noise_s_type() -> None:
    noise = torch.ones(1, 2, 3)
    state = EulerSolver(2).solve(lambda _, x: x.bfloat16(), noise, watch=guard(2))
    assert state.dtype == torch.float32
