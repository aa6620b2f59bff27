"""Retries of a prompt: when, after how long, and how many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
import pytest

from jobs.rewriting.asker import Asker, Breaker
from jobs.rewriting.errors import NotAskedError, RewriteError
from jobs.rewriting.refusal import refusal
from jobs.rewriting.wish import Wish


def good(text: str = "A person walks.") -> bytes:
    content = json.dumps({"prompt": text})
    return json.dumps({"choices": [{"message": {"content": content}}]}).encode()


def bad(status: int, **headers: str) -> RewriteError:
    return refusal(httpx2.Response(status, headers=headers), b"", None)


DROPPED = RewriteError("the connection broke", again=True)


@dataclass
class Script:
    """Returns these replies in order, then the last one again and again."""

    replies: list[bytes | RewriteError]
    seen: list[Mapping[str, object]] = field(default_factory=list)

    async def post(self, document: Mapping[str, object]) -> bytes:
        self.seen.append(document)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, RewriteError):
            raise reply
        return reply


@dataclass
class Desk:
    """An asker whose pauses are recorded instead of waited for."""

    script: Script
    slept: list[float] = field(default_factory=list)
    breaker: Breaker = field(default_factory=lambda: Breaker(limit=3))
    jitter: float = 1.0

    def ask(self, prompt: str = "walks") -> str | None:
        asker = Asker(
            service=self.script, model="m", wish=Wish(text=True), breaker=self.breaker,
            sleep=self.sleep, jitter=lambda: self.jitter,
        )  # fmt: skip
        return asyncio.run(asker.ask(prompt)).text

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def desk(*replies: bytes | RewriteError) -> Desk:
    return Desk(Script(list(replies)))


def test_an_answer_is_asked_for_once() -> None:
    made = desk(good())
    assert made.ask("läuft") == "A person walks."
    (document,) = made.script.seen
    assert (document["model"], document["stream"]) == ("m", False)
    assert document["messages"] == Wish(text=True).messages("läuft")
    assert made.slept == []


@pytest.mark.parametrize("reply", [bad(429), bad(500), bad(503), bad(408), DROPPED])
def test_what_may_pass_is_tried_four_times_with_growing_pauses(reply: RewriteError) -> None:
    made = desk(reply, reply, reply, good())
    assert made.ask() == "A person walks."
    assert made.slept == [1.0, 2.0, 4.0]
    given_up = desk(reply)
    with pytest.raises(RewriteError):
        given_up.ask()
    assert len(given_up.script.seen) == 4


def test_jitter_takes_up_to_half_of_a_pause() -> None:
    made = desk(bad(500), bad(500), good())
    made.jitter = 0.0
    made.ask()
    assert made.slept == [0.5, 1.0]


def test_a_service_is_left_alone_for_as_long_as_it_asks() -> None:
    made = desk(bad(429, **{"retry-after": "7"}), good())
    made.ask()
    assert made.slept == [8.0]
    long = desk(bad(429, **{"retry-after": "61"}))
    with pytest.raises(RewriteError, match="wait for 61 s"):
        long.ask()
    assert (len(long.script.seen), long.slept) == (1, [])


@pytest.mark.parametrize("status", [400, 401, 404, 307, 204])
def test_what_will_not_pass_is_tried_once(status: int) -> None:
    made = desk(bad(status))
    with pytest.raises(RewriteError, match=f"HTTP {status}"):
        made.ask()
    assert (len(made.script.seen), made.slept) == (1, [])


def test_a_useless_answer_gets_one_more_try() -> None:
    made = desk(b"<html>")
    with pytest.raises(RewriteError, match="not JSON"):
        made.ask()
    assert len(made.script.seen) == 2
    assert desk(b"<html>", good()).ask() == "A person walks."


def test_after_failures_in_a_row_nobody_is_asked_any_more() -> None:
    made = desk(bad(401))
    for _ in range(3):
        with pytest.raises(RewriteError, match="401"):
            made.ask()
    with pytest.raises(NotAskedError, match="3 in a row"):
        made.ask()
    assert len(made.script.seen) == 3
    assert made.breaker.why == "HTTP 401: the key is refused; set HYMO_REWRITER_KEY"


def test_an_answer_between_failures_begins_the_count_anew() -> None:
    made = desk(bad(400), bad(400), good(), bad(400), bad(400), good())
    for _ in range(6):
        try:
            made.ask()
        except RewriteError:
            continue
    assert made.breaker.why is None
    assert len(made.script.seen) == 6


def test_tries_that_are_left_are_not_made_once_others_gave_up() -> None:
    made = desk(bad(500))
    for _ in range(3):
        made.breaker.failed(DROPPED)
    made.breaker.require = lambda: None  # type: ignore[method-assign]  # it was under way then
    with pytest.raises(RewriteError, match="500"):
        made.ask()
    assert len(made.script.seen) == 1
