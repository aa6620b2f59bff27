"""Starts the worker processes of one machine, restarts those that exit, and drains them."""

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

from worker.errors import DeviceFaultError
from worker.options import WorkerOptions

log = logging.getLogger(__name__)

#: Seconds before the first restart; the pause doubles with each restart, up to `LAST_PAUSE`. It is
#: reset when a worker has run for `STEADY` seconds.
FIRST_PAUSE = 0.5
LAST_PAUSE = 60.0
STEADY = 60.0
#: The longest pause while the database is away: a restart then costs little, and the worker is
#: wanted soon after the database is back.
AWAY_PAUSE = 5.0
#: A worker that exits with an error this often without running steadily is given up, since further
#: restarts would not help. Exits by a signal, after a fault of the device and while the database is
#: away do not count.
MAX_FAILURES = 6
#: Seconds between two checks of draining workers.
POLL = 0.05
#: The exit code for wrong flags, which a restart cannot fix.
USAGE = 2
#: The exit code of a worker that cannot reach the database.
UNREACHABLE = 7


@dataclass
class Child:
    """One worker: its current process, and the restart state left by earlier ones."""

    options: WorkerOptions
    log: Path
    process: subprocess.Popen[bytes] | None = None
    file: IO[bytes] | None = None
    started: float = 0.0
    restarts: int = 0
    pause: float = FIRST_PAUSE
    failures: int = 0
    due: float = 0.0
    given_up: bool = False


@dataclass(frozen=True)
class Exit:
    """An exit of a worker process.

    Attributes:
        name: the worker's name.
        pid: the process id.
        code: the exit code; negative: the number of the signal that killed it.
        age: seconds since it was started.
        log: its log file.
        final: whether the worker is given up.
        away: whether the database was away, so that the exit is not the worker's fault.
    """

    name: str
    pid: int
    code: int
    age: float
    log: Path
    final: bool
    away: bool

    @property
    def story(self) -> str:
        """How the process ended, as the attempts that it held record it."""
        if self.code == -signal.SIGKILL:
            return (
                f"worker process {self.pid} was killed (SIGKILL), by the kernel for want of memory "
                "or by somebody; nothing says that one of its jobs is to blame"
            )
        if self.code < 0:
            return f"worker process {self.pid} was ended by signal {-self.code}"
        return f"worker process {self.pid} ended with code {self.code}"


@dataclass
class Supervisor:
    """Keeps one process per worker running.

    Args:
        workers: the options of each worker.
        environ: the environment of the processes.
        logs: the folder of their logs.
        away: whether the database is away; called after an exit with an error.
    """

    workers: Sequence[WorkerOptions]
    environ: Mapping[str, str] = field(repr=False)
    logs: Path
    away: Callable[[], bool] = lambda: False
    _children: list[Child] = field(default_factory=list)

    def start(self) -> None:
        """Start every worker."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for options in self.workers:
            name = options.name or options.device.replace(":", "")
            child = Child(options=options, log=self.logs / f"worker-{name}.log")
            self._children.append(child)
            self._spawn(child)

    @property
    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        return [c.process.pid for c in self._children if c.process and c.process.poll() is None]

    @property
    def exhausted(self) -> bool:
        """Whether every worker was given up."""
        return all(child.given_up for child in self._children)

    def check(self) -> list[Exit]:
        """Restart the workers that are due. Returns the exits since the last check."""
        exits = []
        for child in self._children:
            if child.given_up:
                continue
            if child.process is None:
                if time.monotonic() >= child.due:
                    child.restarts += 1
                    self._spawn(child)
                continue
            code = child.process.poll()
            if code is not None:
                exits.append(self._reap(child, child.process, code))
        return exits

    def drain(
        self, *, timeout: float | None = None, hurry: Callable[[], bool] = lambda: False
    ) -> bool:
        """Ask every worker to finish its pack and exit. Returns whether all did.

        Args:
            timeout: seconds to wait; None: no limit.
            hurry: polled meanwhile; if True the wait ends.
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
        """Kill the workers that still run, and restart none. Returns the exits with an error."""
        exits = []
        for child in self._children:
            process = child.process
            if process is None:
                continue
            process.kill()
            code = process.wait()
            child.given_up = True
            self._close(child)
            if code != 0:
                exits.append(_exit(child, process, code, away=code == UNREACHABLE))
        return exits

    def _spawn(self, child: Child) -> None:
        child.file = child.log.open("ab")
        child.process = subprocess.Popen(
            command(child.options, parent=os.getpid()),
            stdin=subprocess.DEVNULL,
            stdout=child.file,
            stderr=child.file,
            env=dict(self.environ),
            # Ctrl-C must reach only this process, which then drains the workers.
            start_new_session=True,
        )
        child.started = time.monotonic()

    def _reap(self, child: Child, process: subprocess.Popen[bytes], code: int) -> Exit:
        self._close(child)
        if time.monotonic() - child.started > STEADY:
            child.pause = FIRST_PAUSE
            child.failures = 0
        away = code == UNREACHABLE or (code > 0 and self.away())
        if code > 0 and not away and code != DeviceFaultError.exit_code:
            child.failures += 1
        longest = AWAY_PAUSE if away else LAST_PAUSE
        child.due = time.monotonic() + min(child.pause, longest)
        child.pause = min(child.pause * 2, longest)
        child.given_up = code == USAGE or child.failures >= MAX_FAILURES
        return _exit(child, process, code, away=away)

    def _close(self, child: Child) -> None:
        child.process = None
        if child.file is not None:
            child.file.close()
            child.file = None


def _exit(child: Child, process: subprocess.Popen[bytes], code: int, *, away: bool) -> Exit:
    return Exit(
        name=child.options.name or child.options.device,
        pid=process.pid,
        code=code,
        age=time.monotonic() - child.started,
        log=child.log,
        final=child.given_up,
        away=away,
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
    """The last lines of a log, which show why a worker exited."""
    if not path.exists():
        return ""
    text = path.read_bytes()[-8192:].decode("utf-8", "replace")
    return "\n".join(text.rstrip().splitlines()[-lines:])
