"""Asking about one prompt until there is an answer or no hope of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Protocol

from jobs.domain.backoff import exponential
from jobs.domain.clock import Clock
from jobs.rewriting.answer import Answer, read_answer
from jobs.rewriting.breaker import Breaker
from jobs.rewriting.failure import AnswerError, RewriteError
from jobs.rewriting.service import Reply
from jobs.rewriting.wish import Wish

#: Tries of one prompt; fewer where the service answered, but not what was asked.
TRIES = 4
ANSWERS = 2
#: Seconds before the second try; doubles with each further one.
FIRST = 1.0
#: A service that asks to be left alone for longer has failed.
PATIENCE = 60.0


class Posting(Protocol):
    """Sends a document and gives the reply; raises `RewriteError`."""

    def post(self, document: Mapping[str, object], /) -> Reply: ...


class Asker:
    """Asks a service about prompts, one at a time; several threads may share it.

    Args:
        service: where.
        model: the model asked for there.
        wish: what is asked.
        breaker: stops the asking when nothing works.
        sleep: waits so many seconds between tries.
        jitter: gives 0 … 1, so that tries of several threads do not come together.
        clock: epoch seconds, for a `Retry-After` that is a date.
    """

    def __init__(
        self,
        *,
        service: Posting,
        model: str,
        wish: Wish,
        breaker: Breaker,
        sleep: Callable[[float], object],
        jitter: Callable[[], float],
        clock: Clock = time.time,
    ) -> None:
        self._service = service
        self._model = model
        self._wish = wish
        self._breaker = breaker
        self._sleep = sleep
        self._jitter = jitter
        self._clock = clock
        self._delay = exponential(FIRST)

    def ask(self, prompt: str) -> Answer:
        """The answer for a prompt.

        Raises:
            RewriteError: there is none, after every try that could help.
        """
        self._breaker.require()
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = self._try(prompt)
            except RewriteError as error:
                wait = self._wait(error, attempt)
                if wait is None or self._breaker.why is not None:
                    self._breaker.failed(error)
                    raise
                self._sleep(wait)
            else:
                self._breaker.worked()
                return answer

    def _wait(self, error: RewriteError, attempt: int) -> float | None:
        """Seconds before the next try; None where there should be none."""
        tries = ANSWERS if isinstance(error, AnswerError) else TRIES
        if not error.again or attempt >= tries:
            return None
        return (error.wait or 0.0) + self._delay(attempt) * (1.0 + self._jitter()) / 2.0

    def _try(self, prompt: str) -> Answer:
        document = {"model": self._model, "messages": self._wish.messages(prompt), "stream": False}
        reply = self._service.post(document)
        if reply.status == 200:
            return read_answer(reply.body, self._wish)
        raise refusal(reply, self._clock())


def refusal(reply: Reply, now: float) -> RewriteError:
    """What a reply that is no answer means: whether to try again, and what to mend."""
    status = f"HTTP {reply.status}"
    if 300 <= reply.status < 400:
        target = f" to {reply.location}" if reply.location else ""
        return RewriteError(f"{status}: a redirect{target}, not followed; set HYMO_REWRITER_URL")
    if reply.status in {401, 403}:
        return RewriteError(f"{status}: the key is refused; set HYMO_REWRITER_KEY")
    said = f": {reply.complaint}" if reply.complaint else ""
    if reply.status == 404:
        mend = "no such path or model; set HYMO_REWRITER_URL and HYMO_REWRITER_MODEL"
        return RewriteError(f"{status}: {mend}{f' ({reply.complaint})' if said else ''}")
    if reply.status in {408, 429} or reply.status >= 500:
        wait = retry_after(reply.retry_after, now)
        if wait is not None and wait > PATIENCE:
            return RewriteError(f"{status}: asks to be left alone for {wait:.0f} s", wait=wait)
        return RewriteError(f"{status}{said}", again=True, wait=wait)
    return RewriteError(f"{status}{said}")


def retry_after(value: str | None, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3); None without a sense."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
