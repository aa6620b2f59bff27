"""The URLs of the services: refused early, by a mend that never repeats a password."""

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


def rewriter_fault(url: str) -> str | None:
    """What is wrong with the base URL of a rewriter and the mend; None when it can be used."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL; it looks like http://127.0.0.1:8000/v1"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must be a whole URL, like http://127.0.0.1:8000/v1"
    if "@" in parts.netloc:
        return "holds a name or password; put the key in HYMO_REWRITER_KEY"
    if parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url:
        return "must end with its path, like http://127.0.0.1:8000/v1"
    return None


def key_fault(key: str) -> str | None:
    """What keeps a key from being sent in a header; None when it can be."""
    if key.isascii() and key.isprintable() and " " not in key:
        return None
    return "a key is printable ASCII without spaces"
