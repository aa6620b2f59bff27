"""The address of the broker: the configured one, else the embedded server's.

The embedded server is any Redis-protocol server on a unix socket under HYMO_HOME. It stores
nothing on disk, since the reconciler can publish all messages again from the SQL rows.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
from functools import cache
from urllib.parse import quote, urlsplit

from redis import ConnectionPool, Redis, UnixDomainSocketConnection
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from jobs.delivery.private_socket import NAME, SCHEME, private, socket_path
from jobs.delivery.tls import refusal, unchecked, verified
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.url import public_broker, without_secrets

log = logging.getLogger(__name__)

#: State of a server whose certificate is refused.
UNTRUSTED = "is not trusted"
#: Longest identity that is not replaced by its digest.
LONGEST = 150
#: Names and addresses that mean another server on every host.
LOCAL = re.compile(r"localhost$|127\.|::1$|0\.0\.0\.0$")


def kombu_url(settings: Settings) -> str:
    """The broker URL in kombu's form; with `rediss://` the certificate is checked."""
    if settings.broker_url is None:
        return _url(settings).replace("redis", SCHEME, 1)
    return verified(settings.broker_url)


def _url(settings: Settings) -> str:
    if settings.broker_url is not None:
        return settings.broker_url
    return f"redis+socket://{quote(str(socket_path(settings.home)))}"


def public_url(settings: Settings) -> str:
    """The broker URL without its password, for messages and logs."""
    return public_broker(_url(settings))


def identity(settings: Settings) -> str:
    """What tells this broker from others, without credentials; at most 150 characters.

    The embedded server and one at a local address are this host's own.
    """
    if settings.broker_url is None:
        where = f"{socket.gethostname()} {settings.home / NAME}"
    else:
        parts = urlsplit(settings.broker_url)
        local = parts.hostname is None or LOCAL.match(parts.hostname) is not None
        host = f"{socket.gethostname()} " if local else ""
        where = f"{host}{parts.hostname or ''}:{parts.port or ''}{parts.path}"
    if len(where) <= LONGEST:
        return where
    return hashlib.sha256(os.fsencode(where)).hexdigest()


def redis_client(settings: Settings, *, timeout: float = 5.0) -> Redis:
    """A client of the broker; connects at first use.

    It does not retry: by default redis-py retries for seconds if the server is down, and every
    caller handles an unreachable broker itself.
    """
    retry = Retry(NoBackoff(), 0)
    if settings.broker_url is None:
        pool = ConnectionPool(
            connection_class=private(UnixDomainSocketConnection),
            path=str(socket_path(settings.home)),
            socket_timeout=timeout,
            retry=retry,
        )
        return Redis.from_pool(pool)
    weakness = unchecked(settings.broker_url)
    if weakness is not None:
        _warn(public_url(settings), weakness)
    url = re.sub(r"^redis\+socket://", "unix://", verified(settings.broker_url))
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=retry)


def unreachable(settings: Settings, error: Exception, mend: str) -> UnreachableError:
    """The error for what a client raised; a refused certificate has a mend of its own."""
    refused = refusal(error, _url(settings))
    if refused is None:
        # A server that does not know a command quotes it, and AUTH contains the password.
        reason = without_secrets(str(error), _url(settings)) or type(error).__name__
        return UnreachableError("broker", public_url(settings), reason, mend)
    return UnreachableError("broker", public_url(settings), *refused, state=UNTRUSTED)


def ping(settings: Settings) -> None:
    """Raise `UnreachableError` unless the broker answers."""
    try:
        with redis_client(settings, timeout=2.0) as client:
            client.ping()
    except (RedisError, OSError) as error:
        mend = (
            "start it with `hymo up`"
            if settings.embedded
            else "check HYMO_BROKER_URL and that the server runs"
        )
        raise unreachable(settings, error, mend) from error


def require_trust(settings: Settings) -> None:
    """Raise `UnreachableError` if the broker's certificate is refused.

    A broker that is away is no error: what is published meanwhile is published again later.
    """
    if not _url(settings).startswith("rediss://"):
        return
    try:
        ping(settings)
    except UnreachableError as error:
        if error.state == UNTRUSTED:
            raise


def alive(settings: Settings) -> bool:
    """Whether the broker answers."""
    try:
        ping(settings)
    except UnreachableError:
        return False
    return True


@cache
def _warn(url: str, weakness: str) -> None:
    """Say once in each process what a URL leaves unchecked."""
    log.warning(
        "broker %s: %s: whoever is on the way can read and change everything; "
        "name its CA with ssl_ca_certs instead",
        url,
        weakness,
    )
