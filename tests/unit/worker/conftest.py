"""Fixtures: claims, a stub engine, and a test bench with a SQLite store and a manual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobs.domain.attempts import Claim
from jobs.store.store import Store
from tests.unit.worker.stub import Bench, StubEngine

if TYPE_CHECKING:
    from tests.conftest import Ticker


@pytest.fixture
def claim(tmp_path: Path) -> Callable[..., Claim]:
    """Makes claims; fields that are not given have default values."""

    def make(custom_id: str = "a", **given: Any) -> Claim:
        values: dict[str, Any] = {
            "job_id": 1, "attempt": 1, "worker_id": 1, "batch_id": 1, "batch": "b",
            "output": str(tmp_path / "out"), "custom_id": custom_id, "prompt": f"p {custom_id}",
            "frames": 100, "seed": 0, "mode": "full", "steps": 2, "guidance": 5.0, "priority": 0,
            "formats": ("npz",), "model": "null", "revision": "null-1", "gib": 24, "queue_s": 0.5,
        }  # fmt: skip
        return Claim(**(values | given))

    return make


@pytest.fixture
def stub() -> StubEngine:
    """An engine that succeeds by default."""
    return StubEngine()


@pytest.fixture
def bench(sqlite_url: str, clock: Ticker, tmp_path: Path) -> Iterator[Bench]:
    """A registered worker and an empty queue."""
    with Store.open(sqlite_url, clock=clock) as store:
        bench = Bench(store, clock, tmp_path)
        with bench.closing:
            yield bench
