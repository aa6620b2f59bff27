"""A real server on a loopback port that speaks `chat/completions`, or misbehaves."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

#: A self-signed certificate for 127.0.0.1, with its key.
CERTIFICATE = Path(__file__).with_name("certificate.pem")


@dataclass
class Call:
    """A received request, and ways to answer it."""

    handler: BaseHTTPRequestHandler
    path: str
    headers: Mapping[str, str]
    document: Any

    @property
    def prompt(self) -> str:
        """The user's message."""
        return str(self.document["messages"][-1]["content"])

    def send(self, status: int, body: bytes, **headers: str) -> None:
        """Send a complete response."""
        self.handler.send_response(status)
        values = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        for name, value in {**values, **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def say(self, content: object) -> None:
        """Send a valid response with this text."""
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        message = {"role": "assistant", "content": text}
        document = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
        self.send(200, json.dumps(document).encode())

    def raw(self, data: bytes) -> None:
        """Send only these bytes."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()
        self.handler.connection.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """Close the connection without a response."""
        self.handler.connection.shutdown(socket.SHUT_RDWR)


Behave = Callable[[Call], None]


def rewrites(call: Call) -> None:
    """The answer of a well-behaved model."""
    call.say({"prompt": f"A person {call.prompt}.", "seconds": 2.0})


@dataclass
class Rewriter:
    """The server. `behave` answers requests; `released` releases the slow answers."""

    server: ThreadingHTTPServer
    scheme: str = "http"
    behave: Behave = rewrites
    calls: list[Call] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}/v1"

    @property
    def prompts(self) -> Counter[str]:
        """Prompt → number of requests."""
        return Counter(call.prompt for call in self.calls)

    def answer(self, call: Call) -> None:
        """Answer one call, and count the concurrent ones."""
        with self._lock:
            self.calls.append(call)
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self.behave(call)
        finally:
            with self._lock:
                self._now -= 1


class Server(ThreadingHTTPServer):
    """A concurrent server that ignores clients that disconnect."""

    request_queue_size = 64
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Log nothing, since clients disconnect on purpose."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Rewriter]:
    """A running server, with TLS if a context is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.answer(Call(self, self.path, headers, json.loads(body)))

        def log_message(self, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made = Rewriter(server, scheme="https" if tls else "http")
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.released.set()
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def rewriter() -> Iterator[Rewriter]:
    with serving() as made:
        yield made


@pytest.fixture
def secure_rewriter() -> Iterator[Rewriter]:
    """The same with TLS and the tests' own certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    with serving(tls) as made:
        yield made
