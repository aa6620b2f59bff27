"""The doctor's checks: each returns what it found and how to fix a problem."""

from __future__ import annotations

import difflib
import platform
import shutil
import stat
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

from sqlalchemy.engine import make_url

from jobs.delivery.broker import alive, ping, public_url
from jobs.delivery.embedded import find_program
from jobs.delivery.private_socket import socket_path
from jobs.delivery.tls import unchecked
from jobs.domain.memory import GIB
from jobs.errors import BrokerBinaryError, JobsError
from jobs.settings import CONFIG, PREFIX, Settings, unknown
from jobs.store import schema
from jobs.store.faults import ROOM
from jobs.store.store import Store
from jobs.url import MASK, public_broker, public_database
from worker.device.discovery import devices
from worker.doctor.finding import Finding, Health
from worker.doctor.model_checks import models
from worker.doctor.probe import probe

#: Warn below this much free space: the motions of a large batch may not fit.
LITTLE_DISK = 2 * GIB


def examine(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Run every check, the cheapest first. Only probe files are written, and removed again.

    Args:
        settings: the settings to check.
        environ: the environment of the settings, searched for misspelt variables.
    """
    yield _python()
    yield from _variables(environ)
    yield from _folders(settings)
    yield from _access(settings)
    yield _database(settings)
    yield _broker(settings)
    yield from _devices()
    yield _torch()
    yield from models(settings, little=LITTLE_DISK)
    yield _workers(settings)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", Health.OK, f"{found}, hymo {version('hymo')}, {sys.prefix}")


def _variables(environ: Mapping[str, str]) -> Iterator[Finding]:
    known = [PREFIX + field.name.upper() for field in fields(Settings)]
    for name in unknown(environ):
        close = difflib.get_close_matches(name, known, n=1)
        mend = f"did you mean {close[0]}?" if close else "unset it; README lists the settings"
        found = f"{name} is not a setting and has no effect"
        yield Finding("settings", Health.WARNING, found, mend)


def _folders(settings: Settings) -> Iterator[Finding]:
    for name, folder in (("home", settings.home), ("output", settings.output)):
        existing, fault = probe(folder)
        if fault is None:
            yield _disk(name, folder, existing)
            continue
        mend = f"give this user a writable folder, or set HYMO_{name.upper()}"
        if existing.is_dir() and (free := shutil.disk_usage(existing).free) < ROOM:
            fault, mend = f"{fault}, {free / 2**20:.1f} MiB free", f"make room in {existing}"
        yield Finding(name, Health.BAD, fault, mend)


def _access(settings: Settings) -> Iterator[Finding]:
    """Whether others may change the home, or read passwords in its config.toml.

    Installations may share a home, so these are warnings.
    """
    config = settings.home / CONFIG
    home, file = _mode(settings.home), _mode(config)
    if home & stat.S_IWGRP:
        found = f"{settings.home}: its group may change what is done here"
        mend = f"unless that is intended: `chmod g-w {settings.home}`"
        yield Finding("access", Health.WARNING, found, mend)
    group = home & stat.S_IXGRP and file & stat.S_IRGRP
    others = home & stat.S_IXOTH and file & stat.S_IROTH
    if (group or others) and _has_password(config):
        found = f"{config}: other users may read its passwords"
        yield Finding("access", Health.WARNING, found, f"`chmod go-rwx {config}`")


def _has_password(config: Path) -> bool:
    given = tomllib.loads(config.read_text("utf-8-sig"))
    shown = {"database_url": public_database, "broker_url": public_broker}
    urls = (shown[name](str(given[name])) for name in shown if given.get(name))
    return bool(given.get("rewriter_key")) or any(MASK in url for url in urls)


def _mode(path: Path) -> int:
    """The mode of a path; 0 if it does not exist or cannot be looked at."""
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _disk(name: str, folder: Path, existing: Path) -> Finding:
    free = shutil.disk_usage(existing).free
    found = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LITTLE_DISK:
        return Finding(name, Health.WARNING, found, "free some space before a large batch")
    return Finding(name, Health.OK, found)


def _database(settings: Settings) -> Finding:
    url = settings.public_database_url()
    path = _missing_database(settings)
    if path is None:
        return _guarded("database", lambda: _schema_of(settings), url)
    _, fault = probe(path.parent)
    if fault is not None:
        mend = "give this user a writable folder, or set HYMO_DATABASE_URL"
        return Finding("database", Health.BAD, f"{url}: {fault}", mend)
    return Finding("database", Health.OK, f"{url} (created on first use)")


def _missing_database(settings: Settings) -> Path | None:
    """The SQLite file if it does not exist yet: opening it would create it."""
    url = make_url(settings.database_url)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return None
    path = Path(url.database or "")
    return None if path.exists() else path


def _schema_of(settings: Settings) -> str:
    with Store.open(settings.database_url, timeout=5) as store:
        schema.require_current(store.engine)
        store.require_room()
    return "schema is current"


def _broker(settings: Settings) -> Finding:
    if not settings.embedded:
        return _configured_broker(settings)
    where = str(socket_path(settings.home))
    if alive(settings):
        return Finding("broker", Health.OK, f"embedded, answering on {where}")
    try:
        program = find_program()
    except BrokerBinaryError as error:
        return Finding("broker", Health.BAD, "no server program", str(error))
    return Finding("broker", Health.OK, f"embedded, not running; would start {program}")


def _configured_broker(settings: Settings) -> Finding:
    url = public_url(settings)
    finding = _guarded("broker", lambda: _pinged(settings), url)
    weakness = unchecked(settings.broker_url or "")
    if weakness is None or finding.health is not Health.OK:
        return finding
    mend = "name its CA with ssl_ca_certs in HYMO_BROKER_URL instead"
    return Finding("broker", Health.WARNING, f"{url} answers, but {weakness}", mend)


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
    if _missing_database(settings) is not None:
        return Finding("workers", Health.WARNING, "none is live", "start some with `hymo up`")

    def count() -> str:
        with Store.open(settings.database_url, timeout=5) as store:
            live = [row for row in store.workers.rows(alive=settings.alive) if row.alive]
            if not live:
                store.require_room()  # without it workers cannot report
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
