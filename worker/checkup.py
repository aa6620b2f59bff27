"""The doctor's checks: each says what it found and, where it is not well, the mend."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from jobs import schema
from jobs.broker import alive, find_program, ping, public_url, socket_path
from jobs.errors import BrokerBinaryError, JobsError
from jobs.memory import GIB
from jobs.settings import Settings
from jobs.store.store import Store
from worker.device import devices

#: Below this much free space a night's motions may not fit.
LITTLE_DISK = 2 * GIB


class Health(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    health: Health
    found: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, cheapest check first. Nothing is changed, started or created but the probe
    files that are removed again."""
    yield _python()
    yield from _folders(settings)
    yield _database(settings)
    yield _broker(settings)
    yield from _devices()
    yield _torch()
    yield _workers(settings)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", Health.OK, f"{found}, hymo {version('hymo')}, {sys.prefix}")


def _folders(settings: Settings) -> Iterator[Finding]:
    for name, folder in (("home", settings.home), ("output", settings.output)):
        existing = folder
        while not existing.exists():
            existing = existing.parent
        if not os.access(existing, os.W_OK):
            mend = f"give this user the right to write, or set HYMO_{name.upper()}"
            yield Finding(name, Health.BAD, f"{existing} cannot be written", mend)
            continue
        yield _disk(name, folder, existing)


def _disk(name: str, folder: Path, existing: Path) -> Finding:
    free = shutil.disk_usage(existing).free
    found = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LITTLE_DISK:
        return Finding(name, Health.WARNING, found, "free some space before a long night")
    return Finding(name, Health.OK, found)


def _database(settings: Settings) -> Finding:
    url = settings.public_database_url()
    path = settings.home / "hymo.db"
    if str(path) in settings.database_url and not path.exists():
        return Finding("database", Health.OK, f"{url} (made at first use)")
    return _guarded("database", lambda: _schema_of(settings), url)


def _schema_of(settings: Settings) -> str:
    with Store.open(settings.database_url, timeout=5) as store:
        schema.require_current(store.engine)
    return "schema is current"


def _broker(settings: Settings) -> Finding:
    if not settings.embedded:
        return _guarded("broker", lambda: _pinged(settings), public_url(settings))
    where = str(socket_path(settings.home))
    if alive(settings):
        return Finding("broker", Health.OK, f"embedded, answering on {where}")
    try:
        program = find_program()
    except BrokerBinaryError as error:
        return Finding("broker", Health.BAD, "no server program", str(error))
    return Finding("broker", Health.OK, f"embedded, not running; would start {program}")


def _pinged(settings: Settings) -> str:
    ping(settings)
    return "answers"


def _devices() -> Iterator[Finding]:
    for device in devices():
        facts = [device.card, f"{device.memory_bytes / GIB:.1f} GiB", device.dtype]
        if device.kind != "cpu":
            facts.append("NVLink" if device.nvlink else "no NVLink")
            facts.append(f"PCIe {device.pcie}" if device.pcie else "PCIe unknown")
            facts.append("NUMA unknown" if device.numa is None else f"NUMA {device.numa}")
        yield Finding(device.name, Health.OK, ", ".join(facts))


def _torch() -> Finding:
    import torch

    gpus = sum(device.kind != "cpu" for device in devices())
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    found = f"torch {torch.__version__} sees {seen} of {gpus} GPU(s)"
    if seen < gpus:
        mend = "install a CUDA build of torch that this driver supports"
        return Finding("torch", Health.BAD, found, mend)
    return Finding("torch", Health.OK, found)


def _workers(settings: Settings) -> Finding:
    if not (settings.home / "hymo.db").exists() and "sqlite" in settings.database_url:
        return Finding("workers", Health.WARNING, "none is live", "start some with `hymo up`")

    def count() -> str:
        with Store.open(settings.database_url, timeout=5) as store:
            live = [row for row in store.workers.rows(alive=settings.alive) if row.alive]
        return ", ".join(row.registration.offer.name for row in live)

    finding = _guarded("workers", count, "")
    if finding.health is Health.OK and not finding.found.strip():
        return Finding("workers", Health.WARNING, "none is live", "start some with `hymo up`")
    return finding


def _guarded(check: str, call: Callable[[], str], url: str) -> Finding:
    try:
        found = call()
    except JobsError as error:
        return Finding(check, Health.BAD, url or "not known", str(error))
    return Finding(check, Health.OK, f"{url} {found}".strip())
