"""Checks of the services' URLs. No message contains the URL, since it may contain a password."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_BROKERS = ("redis://", "rediss://", "redis+socket://")
#: Arguments of a rediss:// URL and their values.
_TLS = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": ("true", "false")}
_ENCODE = "percent-encode the password (@ is %40, / is %2F, : is %3A, # is %23, ? is %3F)"


def database_fault(url: str) -> str | None:
    """What is wrong with a database URL and how to fix it; None if it is valid."""
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
    """What is wrong with a broker URL and how to fix it; None if it is valid."""
    if not url.startswith(_BROKERS):
        return "must begin with redis://, rediss:// or redis+socket://"
    try:
        parts = urlsplit(url)
        # urlsplit checks the port only when it is read.
        _ = parts.port
    except ValueError:
        return f"the port must be a number up to 65535; {_ENCODE}"
    if parts.scheme == "redis+socket":
        return None
    database = parts.path.strip("/")
    # An unencoded / # or ? in the password ends the host, so that the @ is in a later part.
    if parts.fragment or "@" in parts.path + parts.query:
        return f"the password is cut short; {_ENCODE}"
    if database and not (database.isascii() and database.isdigit()):
        return "the database after the last / must be a number"
    return _tls_fault(parts)


def _tls_fault(parts: SplitResult) -> str | None:
    """Arguments that kombu and redis-py would read differently, or not at all."""
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme != "rediss" and any(name.startswith("ssl_") for name in given):
        return "ssl_… arguments are for rediss://, the encrypted protocol"
    for name, values in _TLS.items():
        if name in given and given[name] not in values:
            return f"{name} must be {' or '.join(values)}"
    return None


def rewriter_fault(url: str) -> str | None:
    """What is wrong with a rewriter's base URL and how to fix it; None if it is valid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not a URL; it looks like http://127.0.0.1:8000/v1"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return "must be a complete URL, like http://127.0.0.1:8000/v1"
    if "@" in parts.netloc:
        return "contains a user name or password; put the key in HYMO_REWRITER_KEY"
    if parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url:
        return "must end with its path, like http://127.0.0.1:8000/v1"
    return None


def key_fault(key: str) -> str | None:
    """Why a key cannot be sent in a header; None if it can."""
    if key.isascii() and key.isprintable() and " " not in key:
        return None
    return "a key must be printable ASCII without spaces"
