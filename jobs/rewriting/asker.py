"""Send a prompt to the rewriter, with retries and a circuit breaker."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from jobs.domain.backoff import exponential
from jobs.rewriting.answer import Answer, read_answer
from jobs.rewriting.errors import AnswerError, NotAskedError, RewriteError
from jobs.rewriting.service import Service
from jobs.rewriting.wish import Wish

#: Maximum attempts per prompt, and maximum unusable answers.
TRIES = 4
ANSWERS = 2
#: Seconds before the second attempt; doubles with each attempt.
FIRST = 1.0
#: Consecutive prompts without an answer after which no further prompts are sent.
LIMIT = 8


@dataclass(kw_only=True)
class Breaker:
    """A circuit breaker that opens after `limit` consecutive failures and stays open.

    Attributes:
        limit: consecutive prompts without an answer.
        why: the reason of the last failure once it is open; None before.
    """

    limit: int = LIMIT
    why: str | None = None
    _failures: int = 0

    def worked(self) -> None:
        """Record an answer."""
        self._failures = 0

    def failed(self, error: RewriteError) -> None:
        """Record a prompt without an answer."""
        self._failures += 1
        if self._failures >= self.limit and self.why is None:
            self.why = error.reason

    def require(self) -> None:
        """Raise `NotAskedError` if the breaker is open."""
        if self.why is not None:
            raise NotAskedError(f"not asked, after {self.limit} in a row without an answer")


class Asker:
    """Sends prompts to a service, each in its own task of one event loop.

    Args:
        service: the service.
        model: model of the service to use.
        wish: what to ask for.
        breaker: stops further requests after repeated failures; also an attribute.
        sleep: waits between attempts, seconds.
        jitter: returns 0 … 1; spreads out the retries of concurrent tasks.
    """

    def __init__(
        self,
        *,
        service: Service,
        model: str,
        wish: Wish,
        breaker: Breaker,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._model = model
        self._wish = wish
        self.breaker = breaker
        self._sleep = sleep
        self._jitter = jitter
        self._delay = exponential(FIRST)

    async def ask(self, prompt: str) -> Answer:
        """The answer for a prompt, after as many attempts as needed.

        Raises:
            RewriteError: all attempts failed, or the failure is permanent.
        """
        self.breaker.require()
        document = {"model": self._model, "messages": self._wish.messages(prompt), "stream": False}
        attempt = 0
        while True:
            attempt += 1
            try:
                answer = read_answer(await self._service.post(document), self._wish)
            except RewriteError as error:
                tries = ANSWERS if isinstance(error, AnswerError) else TRIES
                if not error.again or attempt >= tries or self.breaker.why is not None:
                    self.breaker.failed(error)
                    raise
                pause = self._delay(attempt) * (1.0 + self._jitter()) / 2.0
                await self._sleep((error.wait or 0.0) + pause)
            else:
                self.breaker.worked()
                return answer
