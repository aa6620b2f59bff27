"""The Euler solver: its order, its callback, and what is no number."""

import math

import pytest
import torch
from torch import Tensor

from hymotion.errors import NumericsError
from hymotion.solver import EulerSolver


def decay(t: Tensor, state: Tensor) -> Tensor:
    return -state


def test_solves_a_known_equation_to_first_order() -> None:
    start = torch.ones(1, 2, 3)
    errors = [
        abs(EulerSolver(steps).solve(decay, start)[0, 0, 0].item() - math.exp(-1))
        for steps in (50, 100)
    ]
    assert errors[0] < 0.005
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.05)


def test_times_go_from_0_to_the_last_step_before_1() -> None:
    times: list[float] = []

    def velocity(t: Tensor, state: Tensor) -> Tensor:
        times.append(round(t.item(), 6))
        return state

    EulerSolver(4).solve(velocity, torch.ones(1, 1, 1))
    assert times == [0.0, 0.25, 0.5, 0.75]


def test_calls_back_after_each_step() -> None:
    seen: list[tuple[int, int]] = []
    EulerSolver(3).solve(decay, torch.ones(1, 1, 1), on_step=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]


class Stop(Exception):
    pass


def test_what_the_callback_raises_passes_through() -> None:
    stop = Stop()

    def on_step(step: int, total: int) -> None:
        if step == 2:
            raise stop

    with pytest.raises(Stop) as caught:
        EulerSolver(3).solve(decay, torch.ones(1, 1, 1), on_step=on_step)
    assert caught.value is stop


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
        if calls == 6:
            result[3, 0, 0] = bad
        return result

    with pytest.raises(NumericsError) as caught:
        EulerSolver(steps).solve(velocity, torch.zeros(5, 2, 2))
    assert caught.value.step == 4
    assert caught.value.indices == (1, 3)
    assert caught.value.total == steps
    # Found within ten steps, not after the night.
    assert calls <= 10
