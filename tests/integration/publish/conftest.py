"""Plants: real worker processes, a real broker, real databases."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.plant import Plant, opened

if TYPE_CHECKING:
    from tests.conftest import RedisServer


@pytest.fixture
def home() -> Iterator[Path]:
    """A HYMO_HOME with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-w-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def plant(home: Path, sqlite_url: str, own_redis: RedisServer) -> Iterator[Plant]:
    """A plant on SQLite with a broker of its own."""
    with opened(home, sqlite_url, own_redis) as made:
        yield made
