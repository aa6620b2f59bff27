"""A worker's plan: its device, budget, offer and queues, decided before anything is loaded."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from jobs.domain.cards import CardProfile, profile
from jobs.domain.catalog import Catalog
from jobs.domain.memory import ENCODE, GIB, classes_within, queue_name
from jobs.domain.routing import Offer
from jobs.domain.workers import WorkerCard
from worker.device.budget import plan_budget
from worker.device.discovery import Device, find_device
from worker.options import WorkerOptions
from worker.planning.serving import ServingPlan, plan_serving


@dataclass(frozen=True)
class WorkerPlan:
    """The plan of one worker.

    Attributes:
        device: the device that it computes on.
        profile: the reference profile of the device's card.
        offer: the jobs that it takes.
        queues: queues of the classes within its budget, biggest first, texts before motions.
        serving: how it serves each model.
        budget: bytes of device memory; the offer's memory is less if an encoder is resident.
    """

    device: Device
    profile: CardProfile
    offer: Offer
    queues: tuple[str, ...]
    serving: ServingPlan
    budget: int

    def card(self) -> WorkerCard:
        """The worker's registration."""
        return WorkerCard(
            offer=self.offer,
            host=socket.gethostname(),
            pid=os.getpid(),
            device=self.device.name,
            card=self.device.card,
            dtype=self.dtype,
            nvlink=self.device.nvlink,
            queues=self.queues,
            uuid=self.device.uuid,
            tags=self._tags(),
        )

    @property
    def dtype(self) -> str:
        """The number types of the models, separated by commas, the first model's first."""
        return ",".join(dict.fromkeys(each.dtype for each in self.serving.models))

    def _tags(self) -> dict[str, str | int | float | bool]:
        tags: dict[str, str | int | float | bool] = {
            "memory_gib": round(self.device.memory_bytes / GIB, 1),
            "fastest_dtype": self.device.dtype,
            "bandwidth": self.profile.bandwidth_class,
        }
        for model in self.serving.models:
            if model.encoder is not None:
                tags["texts"] = model.encoder.placement.value
        if self.device.pcie is not None:
            tags["pcie"] = self.device.pcie
        if self.device.numa is not None:
            tags["numa"] = self.device.numa
        return tags


def plan(options: WorkerOptions, catalog: Catalog) -> WorkerPlan:
    """Decide a worker's device, models, budget and queues without loading anything.

    Args:
        options: the flags of the worker.
        catalog: the models of this machine.

    Raises:
        DeviceChoiceError, WeightsError, EncoderError, BudgetError, SettingsError
    """
    device = find_device(options.device)
    budget = plan_budget(device, options.memory_gib)
    serving = plan_serving(options, device=device, budget=budget, catalog=catalog)
    offer = Offer(
        name=options.name or f"{socket.gethostname()}-{device.name.replace(':', '')}",
        modes=options.modes,
        models=tuple(each.name for each in serving.models),
        memory_bytes=budget - serving.kept,
        revisions={each.name: dict(each.revisions) for each in serving.models},
        encoders={
            each.name: each.encoder.demand.revision
            for each in serving.models
            if each.encoder is not None and each.encoder.placement.encodes
        },
    )
    steps = classes_within(offer.memory_bytes)
    texts = classes_within(budget) if offer.encoders else ()
    queues = tuple(queue_name(ENCODE, gib) for gib in texts)
    queues += tuple(queue_name(mode, gib) for gib in steps for mode in options.modes)
    return WorkerPlan(
        device=device,
        profile=profile(device.card),
        offer=offer,
        queues=queues,
        serving=serving,
        budget=budget,
    )
