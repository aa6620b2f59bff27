"""Workers as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.domain.routing import Offer


@dataclass(frozen=True)
class WorkerCard:
    """What a worker registers: who it is and what it can do.

    `tags` are free capability tags beyond the offer (bandwidth class, PCIe, NUMA node, …).
    """

    offer: Offer
    host: str
    pid: int | None
    device: str
    card: str
    dtype: str
    nvlink: bool
    queues: tuple[str, ...]
    tags: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerRow:
    """A worker as stored. `state`: declared, live, draining or stopped; `alive`: seen lately."""

    id: int
    state: str
    alive: bool
    registration: WorkerCard
    started_at: float
    seen_at: float
    stopped_at: float | None
    running: int
