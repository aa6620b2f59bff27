"""The service that rewrites: one HTTP exchange with it, bounded in time and size.

`http.client` alone, one connection an exchange: an answer takes a language model a second, a
connection a millisecond. Proxies of the environment are not used, and redirects not followed: the
key goes to the host that the user named and nowhere else.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from jobs.promptfile.problem import plain
from jobs.rewriting.errors import RewriteError

#: Bytes of a reply; an answer with a long reasoning before it has some tens of thousands.
MAX_BODY = 2**20
#: Characters that are repeated of what a service says of itself.
MAX_COMPLAINT = 160

_BLOCK = 2**16


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the service sent back.

    Attributes:
        status: of HTTP.
        body: at most `MAX_BODY` bytes.
        retry_after: that header as it was sent.
        location: the host that a redirect names.
        complaint: the service's own words on an error, without the key; may be empty.
    """

    status: int
    body: bytes
    retry_after: str | None = None
    location: str | None = None
    complaint: str = ""


class Service:
    """An OpenAI-compatible service. Safe to use from several threads.

    Args:
        url: its base, like `http://127.0.0.1:8000/v1`.
        key: sent as a bearer token; None: none.
        timeout: seconds for one exchange from its first byte to its last.
    """

    def __init__(self, *, url: str, key: str | None, timeout: float) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        # Made once: reading the certificates of the system takes longer than a connection.
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._path = f"{parts.path.rstrip('/')}/chat/completions"
        self._key = key
        self._timeout = timeout
        self._lock = threading.Lock()
        self._live: set[_Exchange] = set()
        self._closed = False

    def post(self, document: Mapping[str, object]) -> Reply:
        """Send a document to `chat/completions` and take the reply, whatever its status.

        Raises:
            RewriteError: there is no whole reply within the time, or it is too large.
        """
        exchange = _Exchange(self._connection())
        with self._lock:
            if self._closed:
                raise RewriteError("interrupted")
            self._live.add(exchange)
        # The time-out of a socket starts again with every byte, so it alone would bound nothing.
        timer = threading.Timer(self._timeout, exchange.cut)
        timer.daemon = True
        timer.start()
        try:
            status, headers, body = exchange.post(self._path, self._headers(), _encoded(document))
        except (OSError, HTTPException) as error:
            raise self._named(error, exchange) from error
        finally:
            timer.cancel()
            exchange.close()
            with self._lock:
                self._live.discard(exchange)
        return Reply(
            status=status,
            body=body,
            retry_after=headers.get("retry-after"),
            location=_host(headers.get("location")),
            complaint=_complaint(body, self._key) if status >= 400 else "",
        )

    def close(self) -> None:
        """End the exchanges under way: they raise, as all later ones do."""
        with self._lock:
            self._closed = True
            live = tuple(self._live)
        for exchange in live:
            exchange.cut()

    def _connection(self) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=self._timeout)
        return HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": "hymo",
            "Connection": "close",
        }
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    def _named(self, error: Exception, exchange: _Exchange) -> RewriteError:
        if self._closed:
            return RewriteError("interrupted")
        if exchange.late or isinstance(error, TimeoutError):
            return RewriteError(f"no answer within {self._timeout:g} s", again=True)
        if isinstance(error, ssl.SSLCertVerificationError):
            return RewriteError(f"its certificate is refused: {plain(error.verify_message)}")
        if isinstance(error, OSError) and exchange.sock is None:
            return RewriteError(f"no connection: {error.strerror or error}", again=True)
        return RewriteError("the connection broke before the answer was whole", again=True)


class _Exchange:
    """One request and its reply on a connection of their own."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection
        self.sock: socket.socket | None = None
        self.late = False

    def post(
        self, path: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers (lower-case names) and body of the reply."""
        self._connection.connect()
        # Kept here: the connection forgets it when the reply begins.
        self.sock = self._connection.sock
        if self.late:
            raise TimeoutError
        self._connection.request("POST", path, body=body, headers=dict(headers))
        with self._connection.getresponse() as response:
            found = bytearray()
            while block := response.read(_BLOCK):
                found += block
                if len(found) > MAX_BODY:
                    raise RewriteError(f"the reply is larger than {MAX_BODY // 2**20} MiB")
            # `read` takes the end of the connection for that of the reply, whoever ended it.
            if self.late:
                raise TimeoutError
            if response.length or (response.status == 200 and not found):
                raise ConnectionResetError
            told = {name.lower(): value for name, value in response.getheaders()}
            return response.status, told, bytes(found)

    def cut(self) -> None:
        """End it now, from another thread: whatever it waits for ends with an error."""
        self.late = True
        if self.sock is not None:
            with suppress(OSError):
                # Not TLS's own: that one changes what the other thread is reading from.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _encoded(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _host(location: str | None) -> str | None:
    try:
        return None if location is None else plain(urlsplit(location).hostname or "itself")[:80]
    except ValueError:
        return "an address that cannot be read"


def _complaint(body: bytes, key: str | None) -> str:
    """`error.message` or `message` of an error's JSON, in one line that a terminal can show."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    for place in (reply.get("error"), reply) if isinstance(reply, dict) else ():
        message = place.get("message") if isinstance(place, dict) else None
        if isinstance(message, str) and message.strip():
            text = " ".join(message.split())
            text = text.replace(key, "…") if key else text
            return plain(text[:MAX_COMPLAINT])
    return ""
