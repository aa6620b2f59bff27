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

#: Of 127.0.0.1, with its key, signed by itself: nobody but these tests trusts it.
CERTIFICATE = Path(__file__).with_name("certificate.pem")


@dataclass
class Call:
    """A request as it came, and the means to answer it in any way."""

    handler: BaseHTTPRequestHandler
    path: str
    headers: Mapping[str, str]
    document: Any

    @property
    def prompt(self) -> str:
        """The user's message."""
        return str(self.document["messages"][-1]["content"])

    def send(self, status: int, body: bytes, **headers: str) -> None:
        """A whole reply."""
        self.handler.send_response(status)
        values = {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        for name, value in {**values, **headers}.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)

    def say(self, content: object) -> None:
        """A good reply with this text."""
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        message = {"role": "assistant", "content": text}
        document = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
        self.send(200, json.dumps(document).encode())

    def raw(self, data: bytes) -> None:
        """These bytes on the wire, and nothing after them."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()
        self.handler.connection.shutdown(socket.SHUT_WR)

    def drop(self) -> None:
        """End the connection without a word."""
        self.handler.connection.shutdown(socket.SHUT_RDWR)


Behave = Callable[[Call], None]


def rewrites(call: Call) -> None:
    """What a good model answers."""
    call.say({"prompt": f"A person {call.prompt}.", "seconds": 2.0})


@dataclass
class Rewriter:
    """The server. `behave` answers; `released` ends the waiting of slow ones."""

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
        """How often it was asked about each prompt."""
        return Counter(call.prompt for call in self.calls)

    def answer(self, call: Call) -> None:
        """Answer one call, and count how many are answered at once."""
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
    """Many at once; a client that goes away is nobody's fault."""

    request_queue_size = 64
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients here go away on purpose."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Rewriter]:
    """A running server; with TLS where there is a context."""

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
