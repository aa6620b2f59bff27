"""A worker's plan."""

from __future__ import annotations

import os
import socket

import pytest

from jobs.domain.catalog import COMES_ALONG, Catalog
from jobs.domain.memory import GIB
from worker.device.budget import plan_budget
from worker.device.discovery import Device
from worker.errors import BudgetError, DeviceChoiceError, WeightsError
from worker.options import WorkerOptions
from worker.planning import plan as plans
from worker.planning.plan import WorkerPlan
from worker.planning.plan import plan as plan_with

A10 = Device(
    name="cuda:1", card="NVIDIA A10", memory_bytes=24 * GIB, uuid="GPU-1", capability=(8, 6),
    pcie=4, numa=1,
)  # fmt: skip


def plan(options: WorkerOptions, catalog: Catalog = COMES_ALONG) -> WorkerPlan:
    """A plan where nothing was imported, unless told otherwise."""
    return plan_with(options, catalog)


@pytest.fixture
def a10(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "find_device", lambda _asked: A10)


def test_queues_are_every_class_within_the_budget_biggest_first() -> None:
    found = plan(WorkerOptions(device="cpu", memory_gib=3.5))
    assert found.queues == (
        "hymo.full.3", "hymo.lite.3", "hymo.full.2", "hymo.lite.2", "hymo.full.1", "hymo.lite.1",
    )  # fmt: skip


def test_only_the_modes_served() -> None:
    found = plan(WorkerOptions(device="cpu", memory_gib=2, modes=("lite",)))
    assert found.queues == ("hymo.lite.2", "hymo.lite.1")
    assert found.offer.modes == ("lite",)


def test_names_tell_host_and_device() -> None:
    assert plan(WorkerOptions(device="cpu")).offer.name == f"{socket.gethostname()}-cpu"
    assert plan(WorkerOptions(device="cpu", name="left")).offer.name == "left"


@pytest.mark.usefixtures("a10")
def test_a_gpus_plan() -> None:
    found = plan(WorkerOptions(device="auto"))
    assert found.offer.name == f"{socket.gethostname()}-cuda1"
    assert found.offer.memory_bytes == plan_budget(A10, None)
    assert found.queues[:2] == ("hymo.full.20", "hymo.lite.20")
    card = found.card()
    assert (card.card, card.device, card.pid, card.nvlink) == (
        "NVIDIA A10", "cuda:1", os.getpid(), False,
    )  # fmt: skip
    assert card.tags["pcie"] == 4
    assert card.tags["numa"] == 1
    assert card.tags["fastest_dtype"] == "bfloat16"
    assert card.tags["memory_gib"] == 24.0


def test_what_is_wrong_is_said_before_anything_is_loaded() -> None:
    with pytest.raises(DeviceChoiceError):
        plan(WorkerOptions(device="cuda:99"))
    with pytest.raises(BudgetError):
        plan(WorkerOptions(device="cpu", memory_gib=0.5))
    with pytest.raises(
        WeightsError, match=r"full and lite are not installed.*models import"
    ) as found:
        plan(WorkerOptions(device="cpu", models=("tiny", "hy-motion-1.0")))
    assert found.value.exit_code == 2
