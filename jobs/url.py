"""Checks of the services' URLs. No message contains the URL, since it may contain a password."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_BROKERS = ("redis://", "rediss://", "redis+socket://")
#: Arguments that both clients of the broker take, and only with TLS.
_ARGUMENTS = (
    "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile",
)  # fmt: skip
#: The values of some arguments.
_CHOICES = {
    "ssl_cert_reqs": ("required", "optional", "none"),
    "ssl_check_hostname": ("true", "false"),
}
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
    remote = parts.scheme != "redis+socket"
    # An unencoded / # or ? in the password ends the host, so that the @ is in a later part.
    if remote and (parts.fragment or "@" in parts.path + parts.query):
        return f"the password is cut short; {_ENCODE}"
    database = parts.path.strip("/")
    if remote and database and not (database.isascii() and database.isdigit()):
        return "the database after the last / must be a number"
    return _argument_fault(parts.query, tls=parts.scheme == "rediss")


def _argument_fault(query: str, *, tls: bool) -> str | None:
    """What is wrong with a broker URL's arguments; None if nothing is."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if not tls and name.startswith("ssl_"):
            return "ssl_… arguments are for rediss://, the encrypted protocol"
        if not tls or name not in _ARGUMENTS:
            return f"may only have the arguments {', '.join(_ARGUMENTS)}, with rediss://"
        allowed = _CHOICES.get(name, (value,))
        if value not in allowed or not value:
            return f"{name} must be {' or '.join(allowed) if value else 'given a value'}"
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
