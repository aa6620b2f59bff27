"""A plant: one HYMO_HOME with its database, broker and worker processes, for a test to break."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from sqlalchemy import text

from jobs.domain.states import FINAL
from jobs.settings import Settings
from jobs.store.store import Store
from tests.cli.calling import call
from tests.faults.audit import audit
from tests.waiting import HUNG, until

if TYPE_CHECKING:
    from tests.conftest import RedisServer

#: Short enough that a test sees a lease run out, long enough that a busy machine does not.
FAST = {
    "HYMO_LEASE": "5",
    "HYMO_RENEW": "0.5",
    "HYMO_RECONCILE": "0.5",
    "HYMO_REPUBLISH": "1",
    "HYMO_BACKOFF": "0.1",
    "HYMO_ALIVE": "10",
    "HYMO_PACK": "2",
}


@dataclass
class Running:
    """A process of ours."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", "replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def ended(self) -> int:
        """Its exit code; fails the test if it does not end."""
        try:
            return self.process.wait(HUNG)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end:\n{self.said}") from None


@dataclass
class Plant:
    """Everything of one test. `close` ends every process that belongs to its home.

    Args:
        home: the HYMO_HOME.
        database_url: with our tables.
        broker_url: None for the embedded server.
        environ: settings of every process, over `FAST`.
        wrapper: words before the command of every process, such as `unshare`.
    """

    home: Path
    database_url: str
    broker_url: str | None
    environ: dict[str, str] = field(default_factory=dict)
    running: list[Running] = field(default_factory=list)
    wrapper: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.environ = FAST | {"HYMO_DATABASE_URL": self.database_url} | self.environ
        self.environ |= {"HYMO_HOME": str(self.home)}
        if self.broker_url is not None:
            self.environ["HYMO_BROKER_URL"] = self.broker_url
        self.store = Store.open(self.database_url)

    @property
    def settings(self) -> Settings:
        """What the processes read."""
        return Settings.read(self.environ)

    # --- processes ------------------------------------------------------------------------------

    def start(self, name: str, *args: str, **environ: str) -> Running:
        """A `hymo` process."""
        log = self.home / f"{name}-{len(self.running)}.log"
        inherited = {key: value for key, value in os.environ.items() if key[:5] != "HYMO_"}
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "jobs", *args],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=inherited | self.environ | environ,
                start_new_session=True,
            )
        self.running.append(Running(name, process, log))
        return self.running[-1]

    def run(self, *args: str) -> str:
        """What a `hymo` command prints. It runs in the test's process, since one of its own would
        compute for longer while it imports than while it works."""
        if self.wrapper:
            started = self.start(args[0], *args)
            code, said = started.ended(), started.said
        else:
            others = {key: None for key in os.environ if key[:5] == "HYMO_"}
            done = call(*args, env=others | self.environ)
            code, said = done.exit_code, done.output
        assert code == 0, said
        return said

    def worker(
        self,
        name: str,
        *,
        model: str = "null",
        memory: int = 64,
        ready: bool = True,
        text_plan: str = "auto",
        **environ: str,
    ) -> Running:
        """A CPU worker; by default of the null model, and waited for until it takes jobs."""
        # A parent that is gone drains it: nothing is left over even if pytest itself is killed.
        flags = ["--device", "cpu", "--name", name, "--models", model, "--modes", "full"]
        flags += ["--memory", str(memory), "--threads", "1", "--parent", str(os.getpid())]
        flags += ["--text-plan", text_plan]
        started = self.start(name, "worker", *flags, **environ)
        if ready:
            self.ready(started)
        return started

    def ready(self, worker: Running) -> None:
        """Wait until the worker has registered."""

        def there() -> bool:
            if worker.process.poll() is not None:
                raise AssertionError(f"{worker.name} ended:\n{worker.said}")
            return "is ready" in worker.said

        self.until(there, f"{worker.name} is ready")

    def close(self) -> None:
        """End every process of this home: ours, and those that they started."""
        for one in self.running:
            one.kill()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if self._owns(process):
                    process.kill()
                    process.wait(10)
        self.store.close()

    def _owns(self, process: psutil.Process) -> bool:
        """Whether a process belongs to this home: by its environment, or (the embedded server
        writes its title over that) by the socket in its title."""
        if process.environ().get("HYMO_HOME") == str(self.home):
            return True
        return any(f"unixsocket:{self.home}/" in word for word in process.cmdline())

    # --- jobs -----------------------------------------------------------------------------------

    def prompts(self, n: int, name: str) -> Path:
        """A prompt file of `n` rows with ids <name>1, <name>2, …"""
        path = self.home / f"{name}.csv"
        rows = [f"{name}{i},a person walks {i} steps" for i in range(1, n + 1)]
        path.write_text("\n".join(["id,prompt", *rows]) + "\n", "utf-8")
        return path

    def submit_command(self, file: Path, *, steps: int, model: str = "null") -> Sequence[str]:
        """Arguments of `hymo` that submit a file."""
        flags = ["--model", model, "--mode", "full", "--steps", str(steps), "--frames", "20"]
        return ["submit", str(file), "--json", *flags]

    def submit(self, n: int, *, steps: int = 5, model: str = "null", name: str = "j") -> Any:
        """Submit `n` jobs; what `hymo submit --json` printed."""
        words = self.submit_command(self.prompts(n, name), steps=steps, model=model)
        said = self.run(*words)
        return json.loads(next(line for line in said.splitlines() if line[:1] == "{"))

    def rows(self, query: str, **values: Any) -> Sequence[Any]:
        """Rows of a query in plain SQL."""
        with self.store.engine.connect() as connection:
            return connection.execute(text(query), values).all()

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are of each state."""
        return dict(self.rows("SELECT state, count(*) FROM jobs GROUP BY state"))  # type: ignore[arg-type]  # as the test gives it

    def holders(self, custom_id: str | None = None) -> Mapping[str, int]:
        """custom id → pid of the worker that runs it now."""
        found = self.rows(
            "SELECT j.custom_id, w.pid FROM jobs j JOIN workers w ON w.id = j.worker_id "
            "WHERE j.state = 'running'"
        )
        return {row.custom_id: row.pid for row in found if custom_id in {None, row.custom_id}}

    def job(self, custom_id: str) -> Any:
        """A job's row."""
        return self.rows("SELECT * FROM jobs WHERE custom_id = :id", id=custom_id)[0]

    def tries(self, custom_id: str) -> Sequence[Any]:
        """A job's attempts in order, with the pid of each one's worker."""
        return self.rows(
            "SELECT a.*, w.pid FROM attempts a JOIN jobs j ON j.id = a.job_id "
            "JOIN workers w ON w.id = a.worker_id WHERE j.custom_id = :id ORDER BY a.number",
            id=custom_id,
        )

    # --- waiting --------------------------------------------------------------------------------

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """The condition's value once it is true; a failed test shows the logs."""
        return until(condition, what, story=self.story)

    def until_done(self, n: int) -> None:
        """Wait until `n` jobs are final."""

        def done() -> bool:
            counts = self.counts()
            return sum(counts.get(state, 0) for state in FINAL) >= n

        self.until(done, f"{n} jobs are final")

    def finish(self, n: int) -> None:
        """Wait for all `n` jobs, drain the workers, and check that nothing was lost or doubled."""
        self.until_done(n)
        self.drain()
        audit(self.store.engine, self.settings, jobs=n)

    def drain(self) -> None:
        """SIGTERM every process that still runs; each must end by itself."""
        alive = [one for one in self.running if one.process.poll() is None]
        for one in alive:
            one.send(signal.SIGTERM)
        for one in alive:
            assert one.ended() == 0, one.said

    def story(self) -> str:
        """What a failed test wants to show."""
        logs = [f"--- {one.log.name}\n{one.said[-3000:]}" for one in self.running[-8:]]
        return "\n".join([str(self.counts()), *logs])


@contextmanager
def opened(home: Path, database_url: str, broker: RedisServer | None) -> Iterator[Plant]:
    """A plant that is closed whatever happens, and its broker with it (None: the embedded one)."""
    plant = Plant(home, database_url, None if broker is None else broker.url)
    try:
        yield plant
    finally:
        plant.close()
        if broker is not None:
            broker.kill()
