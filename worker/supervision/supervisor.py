"""The worker processes of one machine: started, restarted when they die, drained at the end."""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
#: Seconds between two looks at draining workers.
POLL = 0.05
#: The exit code of wrong flags, which no restart mends.
USAGE = 2


@dataclass
class Child:
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
class Exit:
    """A worker process that ended otherwise than in order.

    Attributes:
        name: of the worker.
        pid, code: of the process; a negative code is the signal that ended it.
        age: seconds since it was started.
        log: where it wrote.
        final: whether it is not started again.
    """

    name: str
    pid: int
    code: int
    age: float
    log: Path
    final: bool


@dataclass
class Supervisor:
    """Keeps one process a plan running.

    Args:
        workers: what to run.
        environ: of the processes.
        logs: folder of their logs.
    """

    workers: Sequence[WorkerOptions]
    environ: Mapping[str, str]
    logs: Path
    _members: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every worker."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for options in self.workers:
            name = options.name or options.device.replace(":", "")
            member = Child(options=options, log=self.logs / f"worker-{name}.log")
            self._members.append(member)
            self._spawn(member)

    @property
    def pids(self) -> list[int]:
        """Of the running processes."""
        return [m.process.pid for m in self._members if m.process and m.process.poll() is None]

    @property
    def exhausted(self) -> bool:
        """Whether every worker was given up."""
        return all(member.given_up for member in self._members)

    def look(self) -> list[Exit]:
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
                fallen.append(self._reap(member, member.process, code))
        return fallen

    def drain(
        self, *, timeout: float | None = None, hurry: Callable[[], bool] = lambda: False
    ) -> bool:
        """Ask every worker to finish its pack and end; True when all did.

        Args:
            timeout: seconds to wait; None: as long as it takes.
            hurry: asked all the while; True ends the waiting.
        """
        for pid in self.pids:
            os.kill(pid, signal.SIGTERM)
        give_up = math.inf if timeout is None else time.monotonic() + timeout
        while self.pids:
            if hurry() or time.monotonic() >= give_up:
                return False
            time.sleep(POLL)
        return True

    def kill(self) -> list[Exit]:
        """End now who has not ended; who did not end in order. Nothing is restarted."""
        fallen = []
        for member in self._members:
            process = member.process
            if process is None:
                continue
            process.kill()
            code = process.wait()
            member.given_up = True
            self._close(member)
            if code != 0:
                fallen.append(_fallen(member, process, code))
        return fallen

    def _spawn(self, member: Child) -> None:
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

    def _reap(self, member: Child, process: subprocess.Popen[bytes], code: int) -> Exit:
        self._close(member)
        if time.monotonic() - member.started > STEADY:
            member.pause = FIRST_PAUSE
            member.falls = 0
        if code > 0:
            member.falls += 1
        member.due = time.monotonic() + member.pause
        member.pause = min(member.pause * 2, LAST_PAUSE)
        member.given_up = code == USAGE or member.falls >= PATIENCE
        return _fallen(member, process, code)

    def _close(self, member: Child) -> None:
        member.process = None
        if member.file is not None:
            member.file.close()
            member.file = None


def _fallen(member: Child, process: subprocess.Popen[bytes], code: int) -> Exit:
    return Exit(
        name=member.options.name or member.options.device,
        pid=process.pid,
        code=code,
        age=time.monotonic() - member.started,
        log=member.log,
        final=member.given_up,
    )


def command(options: WorkerOptions, *, parent: int) -> list[str]:
    """The command line of one worker process."""
    line = [sys.executable, "-m", "jobs", "worker", "--device", options.device]
    line += ["--modes", ",".join(options.modes), "--parent", str(parent)]
    line += ["--dtype", options.dtype, "--text-plan", options.text_plan]
    if options.models:
        line += ["--models", ",".join(options.models)]
    if options.quantise is not None:
        line += ["--quantise", options.quantise]
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
