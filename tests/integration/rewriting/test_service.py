"""One exchange with a service over a real socket: the request, and all kinds of failures."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from jobs.rewriting.errors import RewriteError
from jobs.rewriting.service import MAX_BODY, Service

KEY = "sk-very-secret"
CERTIFICATE = Path(__file__).with_name("certificate.pem")
WHOLE = {"model": "m", "messages": [{"role": "user", "content": "läuft 🏃"}]}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def service(rewriter) -> Service:
    return Service(url=rewriter.url, key=KEY, timeout=5)


def post(service: Service) -> bytes:
    return asyncio.run(service.post(WHOLE))


def fails(service: Service, reason: str) -> RewriteError:
    with pytest.raises(RewriteError, match=reason) as raised:
        post(service)
    assert KEY not in str(raised.value) + str(raised.value.__cause__) + repr(raised.value)
    return raised.value


def test_a_document_goes_out_and_the_reply_comes_back(rewriter, service) -> None:
    content = json.loads(post(service))["choices"][0]["message"]["content"]
    assert json.loads(content)["prompt"] == "A person läuft 🏃."
    (call,) = rewriter.calls
    assert call.path == "/v1/chat/completions"
    assert call.document == WHOLE
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["accept-encoding"] == "identity"


def test_without_a_key_none_is_sent(rewriter) -> None:
    post(Service(url=f"{rewriter.url}/", key=None, timeout=5))
    assert "authorization" not in rewriter.calls[0].headers
    assert rewriter.calls[0].path == "/v1/chat/completions"


def test_a_refusal_is_named_and_its_words_hold_no_key(rewriter, service) -> None:
    body = json.dumps({"error": {"message": f"slower, {KEY}"}}).encode()
    rewriter.behave = lambda call: call.send(429, body, Retry_After="3")
    error = fails(service, "HTTP 429: slower, …")
    assert (error.again, error.wait) == (True, 3.0)


def test_a_redirect_is_not_followed(rewriter, service) -> None:
    rewriter.behave = lambda call: call.send(307, b"", Location=f"{rewriter.url}/elsewhere")
    fails(service, "HTTP 307: a redirect to 127.0.0.1, not followed")
    assert len(rewriter.calls) == 1


def test_proxies_of_the_environment_are_not_used(rewriter, monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    post(Service(url=rewriter.url, key=KEY, timeout=5))
    assert len(rewriter.calls) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"not HTTP at all\r\n\r\n",
        HEAD + b'Content-Length: 100\r\n\r\n{"choices": [',
        HEAD + b'Transfer-Encoding: chunked\r\n\r\n20\r\n{"choices": [',
    ],
    ids=["nothing", "half a head", "no HTTP", "half a body", "half a chunk"],
)
def test_half_a_reply_is_no_reply(rewriter, service, data: bytes) -> None:
    rewriter.behave = lambda call: call.raw(data)
    assert fails(service, "broke before the answer was complete").again


def test_an_empty_answer_is_a_connection_that_ended_too_soon(rewriter, service) -> None:
    rewriter.behave = lambda call: call.raw(HEAD + b"\r\n")
    assert fails(service, "broke before the answer was complete").again


def test_a_connection_that_is_dropped_may_be_tried_again(rewriter, service) -> None:
    rewriter.behave = lambda call: call.drop()
    assert fails(service, "broke").again


def test_nobody_listening_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    service = Service(url=f"http://127.0.0.1:{port}/v1", key=KEY, timeout=5)
    assert fails(service, "no connection: Connection refused").again


def test_of_a_host_with_several_addresses_the_last_is_told_of(monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        there = taken.getsockname()
    found = (socket.AF_INET, socket.SOCK_STREAM, 6, "", there)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: [found, found])
    service = Service(url=f"http://host.invalid:{there[1]}/v1", key=KEY, timeout=5)
    assert fails(service, "no connection: Connection refused").again


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        # Labels of more than 63 characters are invalid, so that no name server is asked.
        (f"http://{'a' * 64}.invalid/v1", "no connection: .*not known"),
        ("http://999.1.1.1/v1", "invalid URL: .*999.1.1.1.*; set HYMO_REWRITER_URL"),
    ],
)
def test_a_host_that_is_none_is_named(url: str, reason: str) -> None:
    fails(Service(url=url, key=KEY, timeout=5), reason)


def test_a_service_without_tls_is_named(rewriter) -> None:
    service = Service(url=rewriter.url.replace("http:", "https:"), key=KEY, timeout=5)
    assert fails(service, "no connection: .*SSL").again


def test_a_huge_reply_is_cut_off(rewriter, service) -> None:
    def endless(call) -> None:
        call.handler.wfile.write(HEAD + b"\r\n")
        while not rewriter.released.is_set():
            call.handler.wfile.write(b" " * 2**16)

    rewriter.behave = endless
    assert not fails(service, f"larger than {MAX_BODY // 2**20} MiB").again


def silent(call, rewriter) -> None:
    rewriter.released.wait(10)


def dripping_head(call, rewriter) -> None:
    for byte in HEAD * 20:
        call.handler.wfile.write(bytes([byte]))
        if rewriter.released.wait(0.02):
            return


def dripping_body(call, rewriter) -> None:
    call.handler.wfile.write(HEAD + b"\r\n")
    while not rewriter.released.wait(0.02):
        call.handler.wfile.write(b" ")


@pytest.mark.parametrize("slow", [silent, dripping_head, dripping_body])
def test_a_slow_reply_ends_at_the_timeout_however_it_trickles(rewriter, slow) -> None:
    rewriter.behave = lambda call: slow(call, rewriter)
    service = Service(url=rewriter.url, key=KEY, timeout=0.2)
    began = time.monotonic()
    assert fails(service, "no answer within 0.2 s").again
    assert time.monotonic() - began < 2.0


def test_a_host_that_takes_no_connection_ends_at_the_timeout() -> None:
    # A server with a full backlog does not accept further connections.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        service = Service(url=f"http://127.0.0.1:{port}/v1", key=None, timeout=0.2)
        began = time.monotonic()
        assert fails(service, "no answer within 0.2 s").again
        assert time.monotonic() - began < 2.0
        for one in waiting:
            one.close()


def test_a_trusted_certificate_is_taken_and_time_runs_out_with_tls_too(
    secure_rewriter, monkeypatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    service = Service(url=secure_rewriter.url, key=KEY, timeout=5)
    assert post(service)
    assert secure_rewriter.calls[0].headers["authorization"] == f"Bearer {KEY}"
    secure_rewriter.behave = lambda call: dripping_body(call, secure_rewriter)
    hasty = Service(url=secure_rewriter.url, key=KEY, timeout=0.3)
    began = time.monotonic()
    assert fails(hasty, "no answer within 0.3 s").again
    assert time.monotonic() - began < 2.0


def test_a_certificate_that_nobody_signed_is_refused_and_gets_no_key(secure_rewriter) -> None:
    service = Service(url=secure_rewriter.url, key=KEY, timeout=5)
    assert not fails(service, "its certificate is refused: self.signed").again
    assert not secure_rewriter.calls


def test_a_connection_is_not_kept(rewriter, service) -> None:
    gone = threading.Event()

    def behave(call) -> None:
        call.handler.wfile.write(HEAD + b"Content-Length: 2\r\n\r\n{}")
        call.handler.connection.settimeout(10)
        if call.handler.connection.recv(1) == b"":
            gone.set()

    rewriter.behave = behave
    with start_blocking_portal() as portal:
        assert portal.call(service.post, WHOLE) == b"{}"
        assert gone.wait(5)


def test_cancelling_ends_what_is_under_way(rewriter, service) -> None:
    there, gone = threading.Event(), threading.Event()

    def wait(call) -> None:
        there.set()
        call.handler.connection.settimeout(10)
        if call.handler.connection.recv(1) == b"":
            gone.set()

    rewriter.behave = wait
    with start_blocking_portal() as portal:
        asked = portal.start_task_soon(service.post, WHOLE)
        assert there.wait(5)
        portal.call(portal.stop, True)
    with pytest.raises(CancelledError):
        asked.result(0)
    assert gone.wait(5), "the service need not go on for nobody"
