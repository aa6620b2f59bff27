"""Asking about one prompt until there is an answer or no hope of one."""

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

#: Tries of one prompt; fewer where the service answered, but not what was asked.
TRIES = 4
ANSWERS = 2
#: Seconds before the second try; doubles with each further one.
FIRST = 1.0
#: Prompts in a row that got no answer, each after all its tries, before the rest is not asked.
LIMIT = 8


@dataclass(kw_only=True)
class Breaker:
    """Opens after `limit` failures without a success between them, and stays open.

    Attributes:
        limit: prompts in a row that got no answer.
        why: the last failure's reason, once it is open; None before.
    """

    limit: int = LIMIT
    why: str | None = None
    _failures: int = 0

    def worked(self) -> None:
        """Note an answer."""
        self._failures = 0

    def failed(self, error: RewriteError) -> None:
        """Note a prompt that got none."""
        self._failures += 1
        if self._failures >= self.limit and self.why is None:
            self.why = error.reason

    def require(self) -> None:
        """Raise `NotAskedError` once it is open."""
        if self.why is not None:
            raise NotAskedError(f"not asked, after {self.limit} in a row without an answer")


class Asker:
    """Asks a service about prompts, each in a task of one event loop.

    Args:
        service: where.
        model: the model asked for there.
        wish: what is asked.
        breaker: stops the asking when nothing works; an attribute too.
        sleep: waits so many seconds between tries.
        jitter: gives 0 … 1, so that tries of several tasks do not come together.
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
        """The answer for a prompt.

        Raises:
            RewriteError: there is none, after every try that could help.
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
