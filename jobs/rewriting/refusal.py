"""A reply that is no answer: whether asking again could help, and what to mend."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx2

from jobs.promptfile.problem import plain
from jobs.rewriting.errors import RewriteError

#: Seconds; a service that asks to be left alone for longer has failed.
PATIENCE = 60.0
#: Characters that are repeated of what a service says of itself.
MAX_COMPLAINT = 160


def refusal(response: httpx2.Response, body: bytes, key: str | None) -> RewriteError:
    """What a reply with another status than 200 means; `key` is in none of its words."""
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
            return RewriteError(f"{status}: asks to be left alone for {wait:.0f} s", wait=wait)
        return RewriteError(said, again=True, wait=wait)
    return RewriteError(said)


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3); None if unusable."""
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
    """The host that a redirect names; its path may hold anything."""
    try:
        return (
            "" if location is None else f" to {plain(urlsplit(location).hostname or 'itself')[:80]}"
        )
    except ValueError:
        return " to an address that cannot be read"


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
