"""Settings, read once at start: from flags, the environment, and HYMO_HOME's config.toml."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Self

from sqlalchemy.engine import URL, make_url

from jobs.errors import SettingsError, brief, not_text
from jobs.home import require_trusted
from jobs.url import broker_fault, database_fault, key_fault, public_database, rewriter_fault

PREFIX = "HYMO_"
CONFIG = "config.toml"
#: Variables with this prefix that are not settings; docker-compose.yml uses the passwords.
OTHERS = frozenset({"HYMO_TRACEBACK", "HYMO_BROKER_PASSWORD", "HYMO_DATABASE_PASSWORD"})
#: Numbers that must be greater than 0.
POSITIVE = frozenset(
    {"lease", "renew", "reconcile", "rewriter_timeout", "embeddings_gib", "log_mib"}
)
#: Minimum of numbers whose minimum is not 0.
LEAST = {"max_attempts": 1, "rewriter_concurrency": 1, "log_files": 1}
#: Maximum of every number; as a duration this is 30 years.
MOST = 10**9
#: Maximum bytes of config.toml.
MAX_FILE = 64 * 2**10
#: A lease must be renewed at least this often before it expires, so one may come late.
RENEWALS = 3
#: Settings that may contain a password: not accepted as flags, and masked when shown.
SECRET = frozenset({"database_url", "broker_url", "rewriter_key"})


@dataclass(frozen=True)
class Settings:
    """Every setting with its default. Durations are seconds.

    Attributes:
        home: folder of the embedded broker, the SQLite file, logs and config.toml.
        output: folder of motion files; default `<home>/output`.
        output_roots: folders below which this process writes motions, separated like PATH; none:
            wherever a batch asks for.
        database_url: SQLAlchemy URL; default SQLite in `<home>/hymo.db`.
        broker_url: redis:// URL; None means the embedded broker on a unix socket in `home`.
        lease: how long a lease is valid without renewal.
        renew: how often leases are renewed while sampling makes progress.
        stall: after this long without progress, a worker stops renewing its leases.
        deadline: after this long without progress, a worker process exits to be restarted.
        reconcile: how often the reconciler looks for expired leases and missing messages.
        claim: how long one message may go on claiming packs before it is acknowledged.
        republish: age from which a message may be presumed lost.
        alive: a worker not seen for this long no longer counts as live.
        max_attempts: number of attempts before a job ends as failed.
        max_jobs: maximum number of new jobs of one submit; 0: no limit.
        backoff: delay before the second attempt; doubles with each attempt, at most 300.
        pack: maximum number of motions in a pack; 0: decided by memory and device.
        outage: how long `run` and `watch` wait for a database that went away; workers and `up` wait
            for ever.
        null_step: duration of one step of the null model.
        embeddings: folder of encoded texts, shared by the machines that share jobs; default
            `<home>/embeddings`.
        embeddings_gib: maximum size of that folder, GiB.
        log_mib: size from which a log in `home` is rotated, MiB.
        log_files: number of earlier files kept of each log.
        rewriter_url: base URL of an OpenAI-compatible service; None: prompts are never rewritten.
        rewriter_key: API key of the service, if it needs one.
        rewriter_model: model of the service to use.
        rewriter_timeout: maximum time for one answer.
        rewriter_concurrency: number of concurrent requests.
    """

    home: Path
    output: Path
    database_url: str = field(repr=False)
    broker_url: str | None = field(default=None, repr=False)
    lease: float = 90.0
    renew: float = 15.0
    stall: float = 60.0
    deadline: float = 900.0
    reconcile: float = 15.0
    claim: float = 600.0
    republish: float = 30.0
    alive: float = 60.0
    max_attempts: int = 3
    max_jobs: int = 0
    backoff: float = 5.0
    pack: int = 0
    outage: float = 300.0
    null_step: float = 0.0
    embeddings: Path | None = None
    embeddings_gib: float = 16.0
    log_mib: float = 10.0
    log_files: int = 5
    rewriter_url: str | None = None
    rewriter_key: str | None = field(default=None, repr=False)
    rewriter_model: str | None = None
    rewriter_timeout: float = 30.0
    rewriter_concurrency: int = 8
    output_roots: tuple[Path, ...] = ()

    @classmethod
    def read(cls, environ: Mapping[str, str], **overrides: object) -> Self:
        """Read the settings from flags (`overrides`; None: not given), environment and file.

        Raises:
            SettingsError: a value is unusable.
        """
        given = {
            key: _Given(f"--{key}", str(value))
            for key, value in overrides.items()
            if value is not None
        }
        home = given.get("home") or _Given("HYMO_HOME", environ.get("HYMO_HOME") or "~/.hymo")
        folder = _folder(home, Path())
        _check_text(_Given("HYMO_HOME", str(folder)))
        require_trusted("HYMO_HOME", folder)
        values = _file(folder / CONFIG)
        values |= {
            key.removeprefix(PREFIX).lower(): _Given(key, value)
            for key, value in environ.items()
            if key.startswith(PREFIX) and value
        }
        values |= given
        _check_text(*values.values())
        settings = cls(
            home=folder,
            output=_folder(values.get("output"), folder / "output"),
            output_roots=_folders(values.get("output_roots")),
            embeddings=_folder(values.get("embeddings"), folder / "embeddings"),
            database_url=_sound(values.get("database_url"), database_fault)
            or _sqlite(folder / "hymo.db"),
            broker_url=_sound(values.get("broker_url"), broker_fault),
            rewriter_url=_sound(values.get("rewriter_url"), rewriter_fault),
            rewriter_key=_sound(values.get("rewriter_key"), key_fault),
            rewriter_model=values["rewriter_model"].value if "rewriter_model" in values else None,
        )
        numbers = {
            each.name: _number(each.name, values[each.name], whole=isinstance(default, int))
            for each in fields(cls)
            if isinstance(default := each.default, (int, float)) and each.name in values
        }
        settings = replace(settings, **numbers)  # type: ignore[arg-type]  # numbers by isinstance
        # A relative folder contains the one in which the command runs.
        folders = {"HYMO_OUTPUT": settings.output, "HYMO_EMBEDDINGS": settings.texts}
        _check_text(*(_Given(name, str(path)) for name, path in folders.items()))
        _check_together(settings, values)
        return settings

    @property
    def texts(self) -> Path:
        """Folder of encoded texts."""
        return self.embeddings or self.home / "embeddings"

    @property
    def embedded(self) -> bool:
        """Whether the broker is the embedded one of this home."""
        return self.broker_url is None

    @property
    def local(self) -> bool:
        """Whether the database is a file in the home."""
        url = make_url(self.database_url)
        return url.get_backend_name() == "sqlite" and Path(url.database or "").parent == self.home

    def public_database_url(self) -> str:
        """The database URL without its password, for people and logs."""
        return public_database(self.database_url)


@dataclass(frozen=True)
class _Given:
    """A value as given, and its name in the source that gave it."""

    name: str
    value: str = field(repr=False)


def _check_text(*given: _Given) -> None:
    for each in given:
        if not_text(each.value):
            mend = "is not UTF-8; give it in UTF-8, and if it is a folder, rename the folder"
            raise SettingsError(each.name, _public(each), mend)
        if "\0" in each.value:
            raise SettingsError(each.name, _public(each), "contains a NUL character")


def _public(given: _Given) -> str:
    """A value for a message."""
    # The name is a variable's, or a key's after the path of its file.
    key = given.name.rpartition(" ")[2].removeprefix(PREFIX).lower()
    return "…" if key in SECRET else given.value


def unknown(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The `HYMO_` variables that are not settings, and so have no effect."""
    known = {PREFIX + each.name.upper() for each in fields(Settings)} | OTHERS
    return tuple(sorted(key for key in environ if key.startswith(PREFIX) and key not in known))


def _file(path: Path) -> dict[str, _Given]:
    if not path.exists():
        return {}
    require_trusted(CONFIG, path)
    with path.open("rb") as file:
        return _table(path, file.read(MAX_FILE + 1))


def _table(path: Path, content: bytes) -> dict[str, _Given]:
    if len(content) > MAX_FILE:
        raise SettingsError(str(path), None, f"larger than {MAX_FILE // 2**10} KiB: shorten it")
    line = 'a line is `name = 90` or `name = "text"`'
    try:
        table = tomllib.loads(content.decode("utf-8-sig"))
    # ValueError: not TOML, not UTF-8, or a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        raise SettingsError(str(path), None, f"not valid TOML ({brief(error)}); {line}") from error
    known = {each.name for each in fields(Settings)} - {"home"}
    for key, value in table.items():
        if key not in known:
            # The value is not shown: if the key is a misspelt URL, it may contain a password.
            raise SettingsError(
                f"{path}: {brief(key)}", None, f"unknown; known keys: {', '.join(sorted(known))}"
            )
        # A number without a bound may have more digits than Python converts to text.
        if not isinstance(value, str) and not (
            isinstance(value, (int, float)) and abs(value) <= MOST
        ):
            raise SettingsError(
                f"{path}: {key}", None, f"must be text, or a number up to {MOST}; {line}"
            )
    # An empty value counts as not given, like an empty environment variable.
    return {
        key: _Given(f"{path}: {key}", str(value)) for key, value in table.items() if value != ""
    }


def _number(name: str, given: _Given, *, whole: bool) -> int | float:
    try:
        number = int(given.value) if whole else float(given.value)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise SettingsError(given.name, given.value, f"must be {kind}") from None
    if name in POSITIVE and not 0 < number < math.inf:
        raise SettingsError(given.name, given.value, "must be finite and more than 0")
    least = LEAST.get(name, 0)
    if not least <= number < math.inf:
        raise SettingsError(given.name, given.value, f"must be finite and at least {least}")
    if number > MOST:
        raise SettingsError(given.name, given.value, f"must be at most {MOST}")
    return number


def _check_together(settings: Settings, values: Mapping[str, _Given]) -> None:
    """Reject times that are each valid but contradict each other."""

    def name(key: str) -> str:
        return values[key].name if key in values else PREFIX + key.upper()

    lease, renew = settings.lease, settings.renew
    if renew * RENEWALS > lease:
        raise SettingsError(
            name("renew"), f"{renew:g}",
            f"must be at most a third of {name('lease')} ({lease:g}), or one late renewal loses "
            f"jobs that run: lower it, or raise {name('lease')} to {RENEWALS * renew:g} or more",
        )  # fmt: skip
    stall, deadline = settings.stall, settings.deadline
    if stall >= deadline:
        raise SettingsError(
            name("stall"), f"{stall:g}",
            f"must be less than {name('deadline')} ({deadline:g}), at which a worker without "
            f"progress ends: lower it, or raise {name('deadline')}",
        )  # fmt: skip
    if settings.alive <= renew:
        raise SettingsError(
            name("alive"), f"{settings.alive:g}",
            f"must be more than {name('renew')} ({renew:g}), since a worker is seen that often: "
            f"raise it, or lower {name('renew')}",
        )  # fmt: skip


def _folder(given: _Given | None, default: Path) -> Path:
    if given is None:
        return default
    try:
        return Path(given.value).expanduser().absolute()
    except RuntimeError:
        mend = "there is no user of this name after the ~"
        raise SettingsError(given.name, given.value, mend) from None


def _folders(given: _Given | None) -> tuple[Path, ...]:
    if given is None:
        return ()
    named = [each for each in given.value.split(os.pathsep) if each]
    if not named:
        raise SettingsError(given.name, given.value, "names no folder")
    return tuple(Path(os.path.normpath(Path(each).expanduser().absolute())) for each in named)


def _sqlite(path: Path) -> str:
    # SQLAlchemy escapes characters of the folder's name that have a meaning in URLs.
    return URL.create("sqlite", database=str(path)).render_as_string()


def _sound(given: _Given | None, fault: Callable[[str], str | None]) -> str | None:
    if given is None:
        return None
    found = fault(given.value)
    if found is not None:
        # The value is not shown, since it may contain a password.
        raise SettingsError(given.name, "…", found)
    return given.value
