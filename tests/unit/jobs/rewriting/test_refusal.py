"""The errors of HTTP responses that are not 200."""

from __future__ import annotations

import json

import httpx2
import pytest

from jobs.rewriting.refusal import refusal, retry_after

NOW = 1_800_000_000.0
KEY = "sk-very-secret"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("Fri, 15 Jan 2027 08:00:10 GMT", 10.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, 999_999_999.0),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


URL, AND_MODEL = "set HYMO_REWRITER_URL", " and HYMO_REWRITER_MODEL"


@pytest.mark.parametrize(
    ("status", "location", "complaint", "reason"),
    [
        (400, "", "the prompt is too long", "the prompt is too long"),
        (401, "", "who?", "the key is refused; set HYMO_REWRITER_KEY"),
        (403, "", "", "the key is refused; set HYMO_REWRITER_KEY"),
        (404, "", "no model m", f"no such path or model; {URL}{AND_MODEL} (no model m)"),
        (307, "https://evil.example/x", "", f"a redirect to evil.example, not followed; {URL}"),
        (302, "/v2", "", f"a redirect to itself, not followed; {URL}"),
        (302, "http://[", "", f"a redirect to an address that cannot be read, not followed; {URL}"),
    ],
)
def test_what_will_not_pass_says_what_to_mend(
    status: int, location: str, complaint: str, reason: str
) -> None:
    body = json.dumps({"error": {"message": complaint}}).encode()
    error = refusal(httpx2.Response(status, headers={"location": location}), body, KEY)
    assert (error.reason, error.again) == (f"HTTP {status}: {reason}", False)


def test_a_status_that_says_nothing_is_named_alone() -> None:
    assert refusal(httpx2.Response(204), b"", KEY).reason == "HTTP 204"
    moved = refusal(httpx2.Response(304), b"", KEY)
    assert moved.reason == f"HTTP 304: a redirect, not followed; {URL}"


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_waits_for_as_long_as_the_service_asks(status: int) -> None:
    error = refusal(httpx2.Response(status), b"", None)
    assert (error.reason, error.again, error.wait) == (f"HTTP {status}", True, None)
    error = refusal(httpx2.Response(status, headers={"retry-after": "60"}), b"", None)
    assert (error.again, error.wait) == (True, 60.0)
    error = refusal(httpx2.Response(status, headers={"retry-after": "61"}), b"", None)
    assert (error.reason, error.again) == (f"HTTP {status}: asks to wait for 61 s", False)


def test_the_words_of_a_service_are_one_short_line_without_the_key() -> None:
    said = f"Incorrect key \x1b[31m{KEY} provided:\n" + "x" * 500
    for document in ({"error": {"message": said}}, {"message": said}):
        reason = refusal(httpx2.Response(400), json.dumps(document).encode(), KEY).reason
        assert reason.startswith("HTTP 400: Incorrect key \\x1b[31m… provided: xxx")
        assert len(reason) < 200


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": "no"}', b'{"error": null}'])
def test_an_error_may_have_no_words(body: bytes) -> None:
    assert refusal(httpx2.Response(500), body, KEY).reason == "HTTP 500"
