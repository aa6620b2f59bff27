"""Checks of the services' URLs, and the URLs without passwords, for people and logs.

No message of a check contains the URL, since it may contain a password.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, unquote, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_BROKERS = ("redis://", "rediss://", "redis+socket://")
#: Arguments of a rediss:// URL and their values.
_TLS = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": ("true", "false")}
MASK = "***"
#: Parameters whose values are shown. Any other may be a password, also one under a misspelt name.
SHOWN = frozenset(
    {"host", "port", "timeout", "sslmode", "sslrootcert"}
    | {"ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs"}
)
#: Shortest secret that is masked in the messages of others: shorter ones are found inside of words
#: and numbers.
SHORTEST = 4
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
    if parts.username and parts.password is None and not _given_password(parts.query):
        # Clients take it for the name of a user, which they print.
        return (
            "has a user name but no password: write redis://:PASSWORD@HOST for a password without "
            "a user, redis://USER:@HOST for a user without a password"
        )
    # An unencoded / # or ? in the password ends the host, so that the @ is in a later part; what
    # comes before it is taken for a port, which a socket has not.
    local = parts.scheme == "redis+socket"
    if parts.port if local else parts.fragment or "@" in parts.path + parts.query:
        return f"the password is cut short; {_ENCODE}"
    database = "" if local else parts.path.strip("/")
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


def public_database(url: str) -> str:
    """A valid database URL with its secrets masked."""
    parsed = make_url(url)
    query = {name: value if name in SHOWN else MASK for name, value in parsed.query.items()}
    shown = parsed.set(query=query).render_as_string(hide_password=True)
    return shown.replace(f"={quote_plus(MASK)}", f"={MASK}")


def public_broker(url: str) -> str:
    """A valid broker URL with its secrets masked."""
    parts = urlsplit(url)
    where = parts.netloc
    if parts.password is not None:
        where = f"{parts.username or ''}:{MASK}@{where.rpartition('@')[2]}"
    query = "&".join(
        f"{name}={value if name in SHOWN else MASK}" for name, value in parse_qsl(parts.query)
    )
    return f"{parts.scheme}://{where}{parts.path}{'?' if query else ''}{query}"


def without_secrets(text: str, url: str) -> str:
    """A message of a library or server, which may quote the URL or a command, without passwords."""
    for secret in sorted(_secrets(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _secrets(url: str) -> Iterator[str]:
    """The passwords of a valid URL, plain and in the encodings of URLs."""
    if url.startswith(_BROKERS):
        parts = urlsplit(url)
        found = [unquote(parts.password or ""), *_given_password(parts.query)]
    else:
        parsed = make_url(url)
        given = [str(value) for name, value in parsed.query.items() if "pass" in name]
        found = [str(parsed.password or ""), *given]
    for each in found:
        if len(each) >= SHORTEST:
            yield from (each, quote(each, safe=""), quote_plus(each))


def _given_password(query: str) -> list[str]:
    """The passwords among the parameters of a broker URL."""
    return [value for name, value in parse_qsl(query) if "pass" in name]


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
