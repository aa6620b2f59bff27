"""The URLs of database and broker: refused early, by a mend that never repeats a password."""

from __future__ import annotations

from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_BROKERS = ("redis://", "rediss://", "redis+socket://")
_ENCODE = "percent-encode the password (@ is %40, / is %2F, : is %3A, # is %23, ? is %3F)"


def database_fault(url: str) -> str | None:
    """What is wrong with a database URL and the mend; None when it can be used."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        return "is not a database URL"
    except ValueError:
        return f"the port must be a number; {_ENCODE}"
    if "@" in (parsed.host or ""):
        return f"has more than one @; {_ENCODE}"
    return None


def broker_fault(url: str) -> str | None:
    """What is wrong with a broker URL and the mend; None when it can be used."""
    if not url.startswith(_BROKERS):
        return "must begin with redis://, rediss:// or redis+socket://"
    try:
        parts = urlsplit(url)
        # Read for its fault: it is a port only when it is asked for.
        _ = parts.port
    except ValueError:
        return f"the port must be a number up to 65535; {_ENCODE}"
    if parts.scheme == "redis+socket":
        return None
    database = parts.path.strip("/")
    # An unencoded / # or ? in the password ends the host early, and the @ comes after it.
    if parts.fragment or "@" in parts.path + parts.query:
        return f"the password is cut short; {_ENCODE}"
    if database and not (database.isascii() and database.isdigit()):
        return "the database behind the last / must be a number"
    return None
