"""Rows of a prompt file with a rewriter's answers in them, several prompts asked at a time."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from jobs.domain.spec import Origin
from jobs.promptfile.problem import Problem
from jobs.promptfile.row import BadRow, Row
from jobs.rewriting.answer import Answer
from jobs.rewriting.asker import Asker
from jobs.rewriting.breaker import Breaker
from jobs.rewriting.cache import AnswerCache
from jobs.rewriting.failure import NotAskedError, RewriteError
from jobs.rewriting.report import Outcome, RewriteCount, RewriteReport
from jobs.rewriting.wish import LONGEST, SHORTEST, Wish

#: Rows that may wait behind one whose answer is slow, for each prompt asked at a time.
AHEAD = 8

_Result = Answer | RewriteError | None
_Pending = tuple[Row | BadRow, "Future[_Result] | _Result"]


class Rewriting:
    """Puts answers into rows, in the file's order. A prompt is asked about once, however many rows
    and passes through the file it is in.

    Args:
        wish: what is asked.
        asker: asks; None in a dry run, which uses the answers that are kept and asks nothing.
        cache: answers kept.
        breaker: the asker's.
        concurrency: prompts asked at the same time.
        require: make rows bad that did not get what was wished for.
        stop: ends the asking under way, when these rows are read no further.
    """

    def __init__(
        self,
        *,
        wish: Wish,
        asker: Asker | None,
        cache: AnswerCache,
        breaker: Breaker,
        concurrency: int,
        require: bool = False,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._wish = wish
        self._asker = asker
        self._cache = cache
        self._breaker = breaker
        self._require = require
        self._stop = stop
        self._ahead = AHEAD * concurrency
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="rewrite")
        self._flying: dict[str, Future[_Result]] = {}
        # By digest: a failed prompt is told so in the second pass too, whatever its length.
        self._failed: dict[bytes, RewriteError] = {}
        self._asked = 0
        self._count = RewriteCount()

    def rows(self, rows: Iterable[Row | BadRow]) -> Generator[Row | BadRow, None, None]:
        """The rows with answers; bad rows as they are."""
        self._count = RewriteCount()
        waiting: deque[_Pending] = deque()
        for row in rows:
            waiting.append((row, self._begin(row)))
            while waiting and (len(waiting) > self._ahead or _is_there(waiting[0][1])):
                yield self._finish(*waiting.popleft())
        while waiting:
            yield self._finish(*waiting.popleft())

    def report(self) -> RewriteReport:
        """What the last pass found, and what was asked in all of them."""
        return RewriteReport(
            asked=self._asked,
            rows=dict(self._count.rows),
            reasons=dict(self._count.reasons.most_common()),
            stopped=self._breaker.why,
            cache_fault=self._cache.fault,
        )

    def close(self) -> None:
        """End what is being asked."""
        self._stop()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, row: Row | BadRow) -> Future[_Result] | _Result:
        if isinstance(row, BadRow) or not self._wish_of(row):
            return None
        prompt = row.spec.prompt
        flying = self._flying.get(prompt)
        if flying is not None:
            return flying
        known = self._failed.get(_digest(prompt)) or self._cache.get(prompt)
        if known is not None or self._asker is None:
            return known
        flying = self._flying[prompt] = self._pool.submit(self._ask, self._asker, prompt)
        return flying

    def _ask(self, asker: Asker, prompt: str) -> _Result:
        # In the thread that asked: what was answered is kept, whatever becomes of the submit.
        try:
            return self._cache.put(prompt, asker.ask(prompt))
        except RewriteError as error:
            return error

    def _finish(self, row: Row | BadRow, result: Future[_Result] | _Result) -> Row | BadRow:
        if isinstance(row, BadRow):
            return row
        wish = self._wish_of(row)
        if not wish:
            return row
        if isinstance(result, Future):
            result = self._landed(row.spec.prompt, result)
        if result is None:
            self._count.add(Outcome.UNASKED, None)
            return row
        return self._put(row, wish, result)

    def _landed(self, prompt: str, flying: Future[_Result]) -> _Result:
        result = flying.result()
        if isinstance(result, RewriteError):
            self._failed[_digest(prompt)] = result
        if self._flying.pop(prompt, None) is not None and not isinstance(result, NotAskedError):
            self._asked += 1
        return result

    def _put(self, row: Row, wish: Wish, result: Answer | RewriteError) -> Row | BadRow:
        spec = row.spec
        prompt, frames = spec.prompt, spec.frames
        outcome, reason = Outcome.UNCHANGED, None
        if isinstance(result, RewriteError):
            outcome, reason = Outcome.FAILED, result.reason
        else:
            prompt = result.text or prompt
            estimate = result.frames() if wish.seconds else frames
            frames = estimate or frames
            if estimate is None:
                outcome, reason = Outcome.OWN_LENGTH, _out_of_range(result)
            elif (prompt, frames) != (spec.prompt, spec.frames):
                outcome = Outcome.REWRITTEN
        self._count.add(outcome, reason)
        if reason is not None and self._require:
            return BadRow(row.raw, (_problem(row, reason),))
        origin = Origin(
            prompt=spec.prompt,
            frames=spec.frames,
            asked=wish.parts(),
            outcome=outcome.value if reason is None else f"{outcome.value}: {reason}",
        )
        return replace(row, spec=replace(spec, prompt=prompt, frames=frames, origin=origin))

    def _wish_of(self, row: Row) -> Wish:
        # A row that says how long it is knows better than an estimate.
        return replace(self._wish, seconds=self._wish.seconds and not row.timed)


def _is_there(result: Future[_Result] | _Result) -> bool:
    return not isinstance(result, Future) or result.done()


def _digest(prompt: str) -> bytes:
    return hashlib.blake2b(prompt.encode(), digest_size=16).digest()


def _out_of_range(answer: Answer) -> str:
    return f"an estimate of {answer.seconds:g} s is out of range ({SHORTEST:.2g} to {LONGEST:g} s)"


def _problem(row: Row, reason: str) -> Problem:
    mend = "submit without --require-rewrite to keep what the row says, or see docs/rewriting.md"
    return Problem(row.line, "prompt", f"could not be rewritten: {reason}", mend)
