"""Submitting to a real store."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from jobs.domain.attempts import Claim, Success, Timings
from jobs.domain.batches import Artifact
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.workers import WorkerCard
from jobs.errors import UnreachableError
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.source import open_source
from jobs.settings import Settings
from jobs.store.store import Store
from jobs.submission.submitter import SubmitResult, Submitter


@dataclass
class Outbox:
    """Records published messages; `down` makes it unreachable after that many chunks."""

    down: int | None = None
    chunks: list[list[tuple[int, str]]] = field(default_factory=list)
    tries: int = 0

    def publish(self, messages: Sequence[tuple[int, str]]) -> None:
        self.tries += 1
        if self.down is not None and self.tries > self.down:
            raise UnreachableError("broker", "redis://host", "refused", "start it")
        self.chunks.append(list(messages))

    @property
    def messages(self) -> list[tuple[int, str]]:
        return [message for chunk in self.chunks for message in chunk]


@dataclass
class Desk:
    """Submits files of a folder to a store."""

    store: Store
    settings: Settings
    folder: Path
    outbox: Outbox = field(default_factory=Outbox)

    def write(self, content: str, name: str = "prompts.csv") -> Path:
        path = self.folder / name
        path.write_text(content)
        return path

    def submit(self, path: Path, defaults: Defaults | None = None, **options: Any) -> SubmitResult:
        with open_source(str(path), format_name=None, stdin=io.BytesIO()) as source:
            return self.submitter().submit(source, defaults or Defaults(), **options)

    def submitter(self) -> Submitter:
        return Submitter(store=self.store, publisher=self.outbox, settings=self.settings)


Register = Callable[..., int]

OFFER = Offer("w", ("full", "lite"), ("tiny", "null"), 80 * GIB)


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    settings = replace(Settings.read({}, home=str(tmp_path / "home")), output=tmp_path / "motions")
    folder = tmp_path / "files"
    folder.mkdir()
    return Desk(store, settings, folder)


@pytest.fixture
def register(store: Store) -> Register:
    """Registers a live worker and returns its id."""

    def make(name: str = "w", gib: int = 80, modes: tuple[str, ...] = ("full", "lite")) -> int:
        offer = Offer(name, modes, ("tiny", "null"), gib * GIB)
        card = WorkerCard(offer, "host", 1, "cpu", "cpu", "float32", nvlink=False, queues=())
        return store.workers.register(card)

    return make


@pytest.fixture
def finish(store: Store, register: Register, tmp_path: Path) -> Callable[[], None]:
    """Claims every queued job and finishes it with one file per format."""
    worker = register()

    def write(claim: Claim, name: str) -> Artifact:
        path = tmp_path / f"{claim.job_id}.{name}"
        path.write_bytes(f"{claim.job_id}{name}".encode())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Artifact(name, str(path), path.stat().st_size, digest)

    def make() -> None:
        while claims := store.claims.claim(worker, OFFER, limit=50, lease=60):
            done = [
                Success(claim, Timings(), None, tuple(write(claim, name) for name in claim.formats))
                for claim in claims
            ]
            assert store.completion.succeed(done, publish=lambda result: None) == {}

    return make
