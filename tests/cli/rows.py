"""Rows that the tests of the command line insert into the store."""

from __future__ import annotations

from typing import Any

from jobs.domain.batches import NewJob
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.workers import WorkerCard


def new_job(name: str, *, revision: str = "null-1", gib: int = 24, **spec: Any) -> NewJob:
    """A job of the row `name`; `spec` overrides the defaults."""
    usual = {"prompt": f"a person: {name}", "model": "null", "steps": 50, "guidance": 5.0}
    wanted = JobSpec(custom_id=name, mode="full", **(usual | spec))
    return NewJob(wanted, "full", revision, gib)


def worker_card(offer: Offer, **card: Any) -> WorkerCard:
    """A worker with this offer, on a CPU unless `card` says otherwise."""
    usual = {
        "host": "rack", "pid": 7, "device": "cpu", "card": "CPU", "dtype": "float32",
        "nvlink": False, "queues": (),
    }  # fmt: skip
    return WorkerCard(offer=offer, **(usual | card))
