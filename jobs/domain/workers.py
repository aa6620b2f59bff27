"""Workers as stored in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobs.domain.routing import Offer


@dataclass(frozen=True)
class WorkerCard:
    """A worker's registration: its identity and capabilities.

    `uuid` is the GPU's; None for the CPU and for declared workers. `tags` are free-form capability
    tags (bandwidth class, PCIe, NUMA node, …).
    """

    offer: Offer
    host: str
    pid: int | None
    device: str
    card: str
    dtype: str
    nvlink: bool
    queues: tuple[str, ...]
    uuid: str | None = None
    tags: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def device_key(self) -> str:
        """What identifies the device (see `device_key`)."""
        return device_key(self.host, self.device, self.uuid)


def device_key(host: str, device: str, uuid: str | None) -> str:
    """What identifies a device across restarts of its worker, whatever the worker is called."""
    return f"{host} {uuid or device}"


@dataclass(frozen=True)
class WorkerRow:
    """A worker's row. `state`: declared, live, draining or stopped; `alive`: seen recently."""

    id: int
    state: str
    alive: bool
    registration: WorkerCard
    started_at: float
    seen_at: float
    stopped_at: float | None
    running: int
