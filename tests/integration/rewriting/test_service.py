"""One exchange with a service over a real socket: what is sent, and every way it may go wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from jobs.rewriting.errors import RewriteError
from jobs.rewriting.service import MAX_BODY, Reply, Service

KEY = "sk-very-secret"
CERTIFICATE = Path(__file__).with_name("certificate.pem")
WHOLE = {"model": "m", "messages": [{"role": "user", "content": "läuft 🏃"}]}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def service(rewriter):
    made = Service(url=rewriter.url, key=KEY, timeout=5)
    yield made
    made.close()


def fails(service: Service, reason: str) -> RewriteError:
    with pytest.raises(RewriteError, match=reason) as raised:
        service.post(WHOLE)
    assert KEY not in str(raised.value) + str(raised.value.__cause__) + repr(raised.value)
    return raised.value


def test_a_document_goes_out_and_the_reply_comes_back(rewriter, service) -> None:
    reply = service.post(WHOLE)
    assert reply.status == 200
    content = json.loads(reply.body)["choices"][0]["message"]["content"]
    assert json.loads(content)["prompt"] == "A person läuft 🏃."
    (call,) = rewriter.calls
    assert call.path == "/v1/chat/completions"
    assert call.document == WHOLE
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["content-type"] == "application/json"


def test_without_a_key_none_is_sent(rewriter) -> None:
    Service(url=f"{rewriter.url}/", key=None, timeout=5).post(WHOLE)
    assert "authorization" not in rewriter.calls[0].headers
    assert rewriter.calls[0].path == "/v1/chat/completions"


def test_an_error_is_a_reply_and_its_words_hold_no_key(rewriter, service) -> None:
    said = f"Incorrect key \x1b[31m{KEY} provided:\n" + "x" * 500
    body = json.dumps({"error": {"message": said}}).encode()
    rewriter.behave = lambda call: call.send(401, body, Retry_After="3")
    reply = service.post(WHOLE)
    assert (reply.status, reply.retry_after) == (401, "3")
    assert reply.complaint.startswith("Incorrect key \\x1b[31m… provided: xxx")
    assert len(reply.complaint) < 200


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "no"}', b'{"error": null}'])
def test_an_error_may_have_no_words(rewriter, service, body: bytes) -> None:
    rewriter.behave = lambda call: call.send(500, body)
    assert service.post(WHOLE) == Reply(status=500, body=body)


def test_a_redirect_is_not_followed(rewriter, service) -> None:
    rewriter.behave = lambda call: call.send(307, b"", Location="http://elsewhere.example/v1")
    reply = service.post(WHOLE)
    assert (reply.status, reply.location) == (307, "elsewhere.example")
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
    assert fails(service, "broke before the answer was whole").again


def test_a_connection_that_is_dropped_may_be_tried_again(rewriter, service) -> None:
    rewriter.behave = lambda call: call.drop()
    assert fails(service, "broke").again


def test_nobody_listening_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    service = Service(url=f"http://127.0.0.1:{port}/v1", key=KEY, timeout=5)
    assert fails(service, "no connection: Connection refused").again


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
    # A server whose queue of connections is full answers no further one.
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
    assert service.post(WHOLE).status == 200
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


def test_closing_ends_what_is_under_way(rewriter, service) -> None:
    there = threading.Event()

    def wait(call) -> None:
        there.set()
        rewriter.released.wait(10)

    rewriter.behave = wait
    found: list[RewriteError] = []
    thread = threading.Thread(target=lambda: found.append(fails(service, "interrupted")))
    began = time.monotonic()
    thread.start()
    assert there.wait(5)
    service.close()
    thread.join(5)
    assert found
    assert not found[0].again
    fails(service, "interrupted")
    assert time.monotonic() - began < 3.0
