"""A worker's plan: its device, budget, offer and queues, decided before anything is loaded."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jobs.cards import CardProfile, DeviceFacts, derive
from jobs.memory import GIB, classes_within, queue_name
from jobs.models import CATALOG, model_entry
from jobs.records import WorkerCard
from jobs.routing import Offer
from worker.budget import plan_budget
from worker.device import Device, find_device
from worker.errors import WeightsError
from worker.options import WorkerOptions


@dataclass(frozen=True)
class Plan:
    """What a worker will be.

    Attributes:
        device, profile: the hardware.
        offer: what it takes.
        queues: classes within its budget, biggest first.
    """

    device: Device
    profile: CardProfile
    offer: Offer
    queues: tuple[str, ...]

    def card(self) -> WorkerCard:
        """The registration."""
        return WorkerCard(
            offer=self.offer,
            host=socket.gethostname(),
            pid=os.getpid(),
            device=self.device.name,
            card=self.device.card,
            dtype="float32",
            nvlink=self.device.nvlink,
            queues=self.queues,
            tags=self._tags(),
        )

    def _tags(self) -> dict[str, str | int | float | bool]:
        tags: dict[str, str | int | float | bool] = {
            "memory_gib": round(self.device.memory_bytes / GIB, 1),
            "fastest_dtype": self.device.dtype,
            "bandwidth": self.profile.bandwidth_class,
        }
        if self.device.pcie is not None:
            tags["pcie"] = self.device.pcie
        if self.device.numa is not None:
            tags["numa"] = self.device.numa
        return tags


def plan(options: WorkerOptions) -> Plan:
    """Decide a worker's device, budget and queues without loading anything.

    Raises:
        DeviceError, WeightsError, BudgetError: each names the mend.
    """
    device = find_device(options.device)
    for model in options.models:
        if not loadable(model):
            raise WeightsError(model, tuple(filter(loadable, CATALOG)))
    profile = derive(_facts(device))
    budget = plan_budget(device, options.memory_gib)
    name = options.name or f"{socket.gethostname()}-{device.name.replace(':', '')}"
    offer = Offer(
        name=name,
        modes=options.modes,
        models=options.models,
        memory_bytes=budget,
        max_frames=_longest(profile, options.models),
    )
    steps = classes_within(budget)
    queues = tuple(queue_name(mode, gib) for gib in steps for mode in options.modes)
    return Plan(device=device, profile=profile, offer=offer, queues=queues)


def loadable(model: str) -> bool:
    """Whether this installation can load a model, told without importing torch."""
    if model == "null":
        return True
    spec = find_spec("hymotion")  # finds the package, and does not run it
    places = spec.submodule_search_locations if spec is not None else None
    return any((Path(place) / "models" / model).is_dir() for place in places or ())


def _facts(device: Device) -> DeviceFacts:
    return DeviceFacts(
        name=device.card,
        memory_bytes=device.memory_bytes,
        nvlink_count=None if device.kind == "cpu" else int(device.nvlink),
        pcie="" if device.pcie is None else f"{device.pcie}.0",
        capability=device.capability,
    )


def _longest(profile: CardProfile, models: tuple[str, ...]) -> dict[str, int]:
    """The card's limits were measured with the published model; a tiny one is free of them."""
    published = any(model_entry(name).published for name in models)
    return dict(profile.max_frames) if published else {}
