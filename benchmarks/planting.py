"""Faults that a campaign plants in a running system."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from benchmarks.fleet import Fleet
from benchmarks.recoveries import Span
from jobs.delivery.broker import redis_client
from jobs.delivery.publisher import Publisher
from jobs.domain.memory import queue_name
from jobs.errors import UnreachableError

#: Times in rows, which lie ahead after the clock was set back.
_TIMES = {
    "jobs": ("lease_until", "leased_at", "not_before", "queued_at", "published_at", "avoid_until"),
    "workers": ("started_at", "seen_at"),
    "duties": ("held_at", "until"),
}
#: Free space that a full disk keeps, bytes.
_LEFT = 4096
#: More than a motion of a campaign takes on disk, with its row of the manifest, bytes.
_FILE = 64 * 2**10


@dataclass
class Planter:
    """Plants faults in a fleet and takes them away again.

    Attributes:
        fleet: workers, broker and database.
        engine: connects to the database.
        chance: the campaign's random numbers.
        kills: (worker id, epoch seconds by the database's clock) of each killed worker.
        counts: faults planted so far, by name.
        spans: each of them, and how long it took.
    """

    fleet: Fleet
    engine: Engine
    chance: random.Random
    kills: list[tuple[int, float]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)

    @property
    def faults(self) -> Mapping[str, Callable[[], None]]:
        """Every fault by name."""
        return {
            "kill": self.kill,
            "stop": self.stop,
            "broker": self.broker,
            "flush": self.flush,
            "database-away": self.database_away,
            "disk-full": self.disk_full,
            "read-only": self.read_only,
            "clock": self.clock,
            "forge": self.forge,
        }

    def plant(self, name: str) -> None:
        """Plant one fault and, unless it heals by itself, take it away after a while."""
        self.counts[name] = self.counts.get(name, 0) + 1
        begin = time.time()
        self.faults[name]()
        self.spans.append(Span(name, begin, time.time()))

    def kill(self) -> None:
        """SIGKILL to a worker; the campaign starts another one."""
        victim = self.chance.choice(self.fleet.workers)
        with contextlib.suppress(UnreachableError):
            query = text("SELECT id FROM workers WHERE pid = :pid AND state != 'stopped'")
            with self.engine.connect() as connection:
                ids = list(connection.scalars(query, {"pid": victim.pid}))
                now = self._now()
            self.kills += [(number, now) for number in ids]
        victim.kill()
        victim.wait()

    def stop(self) -> None:
        """SIGSTOP to a worker for longer than a lease."""
        victim = self.chance.choice(self.fleet.workers)
        victim.send_signal(signal.SIGSTOP)
        time.sleep(self.fleet.lease * 1.5)
        victim.send_signal(signal.SIGCONT)

    def broker(self) -> None:
        """SIGKILL to the broker, which forgets every message."""
        pid = self.fleet.broker.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        time.sleep(self.chance.uniform(0.1, 2.0))
        self.fleet.broker.ensure()

    def flush(self) -> None:
        """FLUSHALL."""
        with closing(redis_client(self.fleet.settings)) as client:
            client.flushall()

    def database_away(self) -> None:
        """PostgreSQL is killed and started again; an SQLite file is locked."""
        seconds = self.chance.uniform(1.0, self.fleet.lease * 2)
        if self.engine.dialect.name == "sqlite":
            with closing(sqlite3.connect(str(self.engine.url.database), timeout=60)) as connection:
                connection.execute("BEGIN EXCLUSIVE")
                time.sleep(seconds)
                connection.rollback()
            return
        pid = int((self.fleet.ground.folder / "pg" / "postmaster.pid").read_text().splitlines()[0])
        main = psutil.Process(pid)
        every = [main, *main.children(recursive=True)]
        for process in every:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(every, timeout=30)
        time.sleep(seconds)
        self.fleet.start_postgres()
        self.engine.dispose()

    def disk_full(self) -> None:
        """The output's file system is full for a while."""
        filler = self.fleet.output / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(_LEFT))
        time.sleep(self.chance.uniform(1.0, self.fleet.lease))
        filler.unlink()

    def read_only(self) -> None:
        """The output's file system is read-only for a while."""
        self._remount("ro")
        time.sleep(self.chance.uniform(1.0, self.fleet.lease))
        self._remount("rw")

    def clock(self) -> None:
        """The database's clock is set back by an hour: all times in rows lie an hour ahead."""
        shift = 3600.0
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Every transaction locks jobs in the order of their ids, which avoids deadlocks.
                connection.execute(text("SELECT id FROM jobs ORDER BY id FOR UPDATE")).all()
            for table, columns in _TIMES.items():
                sets = ", ".join(f"{name} = {name} + :shift" for name in columns)
                connection.execute(text(f"UPDATE {table} SET {sets}"), {"shift": shift})  # noqa: S608 — constants

    def forge(self) -> None:
        """Messages of jobs that ended or do not exist, the same ones again, and other strings."""
        with self.engine.connect() as connection:
            ended = list(
                connection.scalars(text("SELECT id FROM jobs WHERE state != 'queued' LIMIT 200"))
            )
            gib = connection.execute(text("SELECT min(class_gib) FROM jobs")).scalar_one()
        ids = [*ended, *ended, 10**12, 10**15]
        queue = queue_name(self.fleet.mode, gib)
        with closing(Publisher(self.fleet.settings)) as publisher:
            publisher.publish([(number, queue) for number in ids])
        with closing(redis_client(self.fleet.settings)) as client:
            client.lpush(queue, "x", "[1]", "null", "[" * 10_000, '{"headers": []}')

    def _remount(self, how: str) -> None:
        command = ["mount", "-o", f"remount,{how}", str(self.fleet.output)]
        # Files that are open for writing keep it busy; they are closed soon.
        while subprocess.run(command, capture_output=True, check=False).returncode:
            time.sleep(0.05)

    def _now(self) -> float:
        clock = (
            "SELECT (julianday('now') - 2440587.5) * 86400.0"
            if self.engine.dialect.name == "sqlite"
            else "SELECT extract(epoch FROM clock_timestamp())"
        )
        with self.engine.connect() as connection:
            return float(connection.execute(text(clock)).scalar_one())


def needs_mount(faults: tuple[str, ...]) -> bool:
    """Whether the output must be a file system of its own, which takes root."""
    return bool({"disk-full", "read-only"} & set(faults))


def mount(folder: Path, *, files: int) -> None:
    """Mount a file system in memory with room for a campaign's files; `CalledProcessError`."""
    size = f"size={64 * 2**20 + files * _FILE}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "hymo-campaign", str(folder)], check=True)


def unmount(folder: Path) -> None:
    """Undo `mount`."""
    subprocess.run(["umount", "-l", str(folder)], check=False)
