"""Settings, read once at the edge: flag, then environment, then `config.toml` in HYMO_HOME.

A flag is passed as an override; every other module receives the frozen `Settings`.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from jobs.errors import SettingsError

PREFIX = "HYMO_"
#: Settings that may hold a password: never accepted as flags, masked wherever they are shown.
SECRET = frozenset({"database_url", "broker_url"})


@dataclass(frozen=True)
class Settings:
    """Every setting with its default. Durations are seconds.

    Attributes:
        home: where the embedded server, the SQLite file, logs and config.toml live.
        output: root folder of motion files; default `<home>/output`.
        database_url: SQLAlchemy URL; default SQLite in `<home>/hymo.db`.
        broker_url: redis:// URL; None means the embedded server on a unix socket in `home`.
        lease: how long a claim holds without renewal.
        renew: how often leases are renewed while sampling makes progress.
        stall: without a sign of progress for this long, leases are no longer renewed.
        deadline: without progress for this long the worker process exits, to be restarted.
        reconcile: how often expired leases and missing messages are looked for.
        claim: how long one message may keep claiming packs before it is acknowledged.
        republish: age of a message after which it may be presumed lost.
        alive: a worker not seen for this long no longer counts as live.
        max_attempts: how often a job is tried before it ends as failed.
        backoff: delay before the second attempt; doubles with each further one, at most 300.
        pack: the most motions in one pack; 0: as many as memory and the device suggest.
        outage: how long a worker rides out an unreachable database before giving up.
        null_step: how long one step of the null model takes.
    """

    home: Path
    output: Path
    database_url: str
    broker_url: str | None = None
    lease: float = 90.0
    renew: float = 15.0
    stall: float = 60.0
    deadline: float = 900.0
    reconcile: float = 15.0
    claim: float = 600.0
    republish: float = 30.0
    alive: float = 60.0
    max_attempts: int = 3
    backoff: float = 5.0
    pack: int = 0
    outage: float = 300.0
    null_step: float = 0.0

    @classmethod
    def read(cls, environ: Mapping[str, str], **overrides: object) -> Self:
        """Settings from flags (`overrides`, None meaning not given), environment and file.

        Raises:
            SettingsError: naming the variable, its value and the mend.
        """
        given = {key: str(value) for key, value in overrides.items() if value is not None}
        home = given.get("home") or environ.get("HYMO_HOME") or "~/.hymo"
        folder = Path(home).expanduser().absolute()
        values = _file(folder / "config.toml")
        values |= {
            key.removeprefix(PREFIX).lower(): value
            for key, value in environ.items()
            if key.startswith(PREFIX) and value
        }
        values |= given
        output = Path(values.get("output") or folder / "output").expanduser().absolute()
        url = values.get("database_url") or _sqlite(folder / "hymo.db")
        settings = cls(
            home=folder,
            output=output,
            database_url=_checked_url("database_url", url),
            broker_url=_broker(values.get("broker_url")),
        )
        numbers = {
            field.name: _number(field.name, values[field.name], whole=isinstance(default, int))
            for field in fields(cls)
            if isinstance(default := field.default, (int, float)) and field.name in values
        }
        return replace(settings, **numbers)  # type: ignore[arg-type]  # numbers fit by isinstance

    @property
    def embedded(self) -> bool:
        """Whether the broker is the private server of this home."""
        return self.broker_url is None

    def public_database_url(self) -> str:
        """The database URL without its password, for people and logs."""
        return make_url(self.database_url).render_as_string(hide_password=True)


def _file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(str(path), "", f"not valid TOML ({error})") from error
    known = {field.name for field in fields(Settings)} - {"home"}
    for key in table:
        if key not in known:
            raise SettingsError(
                f"{path}: {key}",
                str(table[key]),
                f"unknown; known keys: {', '.join(sorted(known))}",
            )
    return {key: str(value) for key, value in table.items()}


def _number(name: str, value: str, *, whole: bool) -> int | float:
    variable = PREFIX + name.upper()
    try:
        number = int(value) if whole else float(value)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise SettingsError(variable, value, f"must be {kind}") from None
    if not math.isfinite(number) or number < 0:
        raise SettingsError(variable, value, "must be finite and at least 0")
    return number


def _sqlite(path: Path) -> str:
    # Made by SQLAlchemy: a folder's name may hold characters that mean something in a URL.
    return URL.create("sqlite", database=str(path)).render_as_string()


def _checked_url(name: str, url: str) -> str:
    try:
        make_url(url)
    except ArgumentError:
        # The value may hold a password, so it is not repeated.
        raise SettingsError(PREFIX + name.upper(), "…", "is not a database URL") from None
    return url


def _broker(url: str | None) -> str | None:
    if url is None or url.startswith(("redis://", "rediss://", "redis+socket://")):
        return url
    raise SettingsError(
        "HYMO_BROKER_URL", "…", "must begin with redis://, rediss:// or redis+socket://"
    )
