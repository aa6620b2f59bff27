"""The worker processes of one machine: started, restarted when they die, drained at the end."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from worker.options import WorkerOptions

log = logging.getLogger(__name__)

#: Pause before a restart: the first, doubling to the last, seconds. A worker that ran for
#: `STEADY` seconds starts at the first again.
FIRST_PAUSE = 0.5
LAST_PAUSE = 60.0
STEADY = 60.0
#: A worker that ends with an error so often in a row before it is steady is given up: a restart
#: does not mend what is wrong, and whoever waits must be told. Being killed does not count.
PATIENCE = 6
#: The exit code of wrong flags, which no restart mends.
USAGE = 2


@dataclass
class Member:
    """One worker process and its history."""

    options: WorkerOptions
    log: Path
    process: subprocess.Popen[bytes] | None = None
    file: IO[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    pause: float = FIRST_PAUSE
    falls: int = 0
    due: float = 0.0
    given_up: bool = False


@dataclass(frozen=True)
class Fallen:
    """A worker that ended without being asked to."""

    name: str
    code: int
    log: Path
    final: bool


@dataclass
class Crew:
    """Keeps one process a plan running.

    Args:
        workers: what to run.
        environ: of the processes.
        logs: folder of their logs.
    """

    workers: Sequence[WorkerOptions]
    environ: Mapping[str, str]
    logs: Path
    _members: list[Member] = field(default_factory=list)

    def start(self) -> None:
        """Start every worker."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for options in self.workers:
            name = options.name or options.device.replace(":", "")
            member = Member(options=options, log=self.logs / f"worker-{name}.log")
            self._members.append(member)
            self._spawn(member)

    @property
    def pids(self) -> list[int]:
        """Of the running processes."""
        return [m.process.pid for m in self._members if m.process and m.process.poll() is None]

    @property
    def hopeless(self) -> bool:
        """Whether every worker was given up."""
        return all(member.given_up for member in self._members)

    def look(self) -> list[Fallen]:
        """Restart who is due; who fell since the last look."""
        fallen = []
        for member in self._members:
            if member.given_up:
                continue
            if member.process is None:
                if time.monotonic() >= member.due:
                    member.restarts += 1
                    self._spawn(member)
                continue
            code = member.process.poll()
            if code is not None:
                fallen.append(self._bury(member, code))
        return fallen

    def drain(self, *, timeout: float | None = None) -> bool:
        """Ask every worker to finish its pack and end; True when all did within `timeout`."""
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
        give_up = None if timeout is None else time.monotonic() + timeout
        for member in self._members:
            if member.process is None:
                continue
            left = None if give_up is None else max(0.0, give_up - time.monotonic())
            try:
                member.process.wait(left)
            except subprocess.TimeoutExpired:
                return False
            self._close(member)
        return True

    def kill(self) -> None:
        """End them now; their leases run out and the jobs are tried again."""
        for member in self._members:
            if member.process is not None:
                member.process.kill()
                member.process.wait()
                self._close(member)

    def _spawn(self, member: Member) -> None:
        member.file = member.log.open("ab")
        member.process = subprocess.Popen(
            command(member.options, parent=os.getpid()),
            stdin=subprocess.DEVNULL,
            stdout=member.file,
            stderr=member.file,
            env=dict(self.environ),
            # Ctrl-C goes to us, and we drain them: twice the signal would cut the pack short.
            start_new_session=True,
        )
        member.started = time.monotonic()

    def _bury(self, member: Member, code: int) -> Fallen:
        self._close(member)
        if time.monotonic() - member.started > STEADY:
            member.pause = FIRST_PAUSE
            member.falls = 0
        if code > 0:
            member.falls += 1
        member.due = time.monotonic() + member.pause
        member.pause = min(member.pause * 2, LAST_PAUSE)
        member.given_up = code == USAGE or member.falls >= PATIENCE
        name = member.options.name or member.options.device
        return Fallen(name=name, code=code, log=member.log, final=member.given_up)

    def _close(self, member: Member) -> None:
        member.process = None
        if member.file is not None:
            member.file.close()
            member.file = None


def command(options: WorkerOptions, *, parent: int) -> list[str]:
    """The command line of one worker process."""
    line = [sys.executable, "-m", "jobs", "worker", "--device", options.device]
    line += ["--modes", ",".join(options.modes), "--models", ",".join(options.models)]
    line += ["--parent", str(parent)]
    if options.name is not None:
        line += ["--name", options.name]
    if options.memory_gib is not None:
        line += ["--memory", str(options.memory_gib)]
    if options.threads is not None:
        line += ["--threads", str(options.threads)]
    return line


def tail(path: Path, lines: int = 5) -> str:
    """The end of a log, to show why a worker fell."""
    if not path.exists():
        return ""
    text = path.read_bytes()[-8192:].decode("utf-8", "replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])
