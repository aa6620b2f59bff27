"""Memory budgets."""

from __future__ import annotations

import pytest

from jobs.domain.memory import GIB
from jobs.errors import SettingsError
from worker.device.budget import plan_budget, reserve
from worker.device.discovery import CPU_SHARE, Device
from worker.errors import BudgetError

CPU = Device(name="cpu", card="CPU", memory_bytes=100 * GIB)
A10 = Device(name="cuda:0", card="NVIDIA A10", memory_bytes=24 * GIB, uuid="GPU-1")


def test_a_cpu_leaves_room_for_other_programs() -> None:
    assert plan_budget(CPU, None) == int(100 * GIB * CPU_SHARE)


def test_a_gpu_leaves_room_for_the_driver() -> None:
    assert plan_budget(A10, None) == int(24 * GIB * 0.99) - GIB


@pytest.mark.parametrize("asked", [1, 16, 24, 1.5])
def test_what_is_asked_for_is_taken(asked: float) -> None:
    assert plan_budget(A10, asked) == int(asked * GIB)


def test_a_cpu_may_be_given_more_than_it_has() -> None:
    """To rehearse a fleet of large cards with the null model."""
    assert plan_budget(CPU, 1024) == 1024 * GIB


def test_a_card_cannot_give_more_than_it_has() -> None:
    with pytest.raises(BudgetError, match="the card has 24 GiB; lower --memory"):
        plan_budget(A10, 24.5)


@pytest.mark.parametrize("asked", [0.99, 0, -3, 1e-9])
def test_a_budget_without_a_class_is_refused(asked: float) -> None:
    with pytest.raises(BudgetError, match="raise --memory to at least 1"):
        plan_budget(CPU, asked)


@pytest.mark.parametrize("asked", [float("nan"), float("inf")])
def test_a_budget_that_is_no_number_is_refused(asked: float) -> None:
    with pytest.raises(SettingsError, match=r"--memory=.*: must be a number of GiB"):
        plan_budget(CPU, asked)


def test_nothing_is_reserved_on_the_cpu() -> None:
    reserve(CPU, 10**15)
