"""Interpret an HTTP error of the rewriter: whether to retry, and what to fix."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2

from jobs.promptfile.problem import plain
from jobs.rewriting.errors import RewriteError

#: Longest `Retry-After`, in seconds, that is waited for.
PATIENCE = 60.0
#: Maximum characters of a service's error message that are shown.
MAX_COMPLAINT = 160


def refusal(response: httpx2.Response, body: bytes, key: str | None) -> RewriteError:
    """The error for a response whose status is not 200; its text never contains `key`."""
    code, status = response.status_code, f"HTTP {response.status_code}"
    complaint = _complaint(body, key) if code >= 400 else ""
    said = f"{status}: {complaint}" if complaint else status
    if 300 <= code < 400:
        target = _target(response.headers.get("location"))
        return RewriteError(f"{status}: a redirect{target}, not followed; set HYMO_REWRITER_URL")
    if code in {401, 403}:
        return RewriteError(f"{status}: the key is refused; set HYMO_REWRITER_KEY")
    if code == 404:
        mend = "no such path or model; set HYMO_REWRITER_URL and HYMO_REWRITER_MODEL"
        return RewriteError(f"{status}: {mend}{f' ({complaint})' if complaint else ''}")
    if code in {408, 429} or code >= 500:
        wait = retry_after(response.headers.get("retry-after"), time.time())
        if wait is not None and wait > PATIENCE:
            return RewriteError(f"{status}: asks to wait for {wait:.0f} s", wait=wait)
        return RewriteError(said, again=True, wait=wait)
    return RewriteError(said)


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds to wait by a `Retry-After` header (RFC 9110, 10.2.3); None if unusable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _target(location: str | None) -> str:
    """The host of a redirect; its path is not shown, since it may contain anything."""
    try:
        return (
            "" if location is None else f" to {plain(urlsplit(location).hostname or 'itself')[:80]}"
        )
    except ValueError:
        return " to an address that cannot be read"


def _complaint(body: bytes, key: str | None) -> str:
    """`error.message` or `message` of an error's JSON, in one printable line."""
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
