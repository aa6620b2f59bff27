"""Rewrite the rows of a prompt file, with several concurrent requests."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from jobs.domain.spec import Origin
from jobs.errors import SettingsError
from jobs.promptfile.problem import Problem
from jobs.promptfile.row import BadRow, Row
from jobs.rewriting.answer import Answer
from jobs.rewriting.asker import Asker, Breaker
from jobs.rewriting.cache import AnswerCache
from jobs.rewriting.errors import NotAskedError, RewriteError
from jobs.rewriting.report import RewriteOutcome, RewriteReport
from jobs.rewriting.service import Service
from jobs.rewriting.wish import LONGEST, SHORTEST, Wish
from jobs.settings import Settings

#: The folder of cached answers in the home.
FOLDER = "rewrites"
#: Rows read ahead for each concurrent request while the first of them waits for its answer.
AHEAD = 8

_Result = Answer | RewriteError | None


@contextmanager
def open_rewriting(
    settings: Settings, wish: Wish, *, require: bool = False, dry: bool = False
) -> Iterator[Rewriting]:
    """A rewriting with the service of the settings; running requests are cancelled at the end.

    Args:
        settings: the service and how to use it.
        wish: what to ask for.
        require: make rows invalid that did not get it.
        dry: send no requests.

    Raises:
        SettingsError: the settings name no service or no model.
    """
    url, model = settings.rewriter_url, settings.rewriter_model
    if url is None:
        mend = "is not set; name an OpenAI-compatible service, like http://127.0.0.1:8000/v1"
        raise SettingsError("HYMO_REWRITER_URL", None, mend)
    if model is None:
        raise SettingsError("HYMO_REWRITER_MODEL", None, "is not set; name a model of the service")
    service = Service(url=url, key=settings.rewriter_key, timeout=settings.rewriter_timeout)
    asker = Asker(service=service, model=model, wish=wish, breaker=Breaker())
    cache = AnswerCache(settings.home / FOLDER, url=url, model=model, wish=wish)
    with closing(cache), start_blocking_portal(name="rewriting") as portal:
        yield Rewriting(
            wish=wish,
            asker=None if dry else asker,
            portal=portal,
            cache=cache,
            concurrency=settings.rewriter_concurrency,
            require=require,
        )
        # Without this, the portal would wait for the running requests.
        portal.call(portal.stop, True)


class Rewriting:
    """Applies answers to rows, in the file's order. Each distinct prompt is sent once, even if
    several rows contain it and the file is read several times.

    Args:
        wish: what to ask for.
        asker: sends the requests; None in a dry run, which uses only cached answers.
        portal: portal to the asker's event loop.
        cache: the cached answers.
        concurrency: number of concurrent requests.
        require: make rows invalid that did not get what the wish asks for.
    """

    def __init__(
        self,
        *,
        wish: Wish,
        asker: Asker | None,
        portal: BlockingPortal,
        cache: AnswerCache,
        concurrency: int,
        require: bool = False,
    ) -> None:
        self._wish = wish
        self._asker = asker
        self._cache = cache
        self._require = require
        self._ahead = AHEAD * concurrency
        self._portal = portal
        self._slots = anyio.Semaphore(concurrency)
        self._flying: dict[str, Future[_Result]] = {}
        # Failures by digest of the prompt, so that the second pass reports them too.
        self._failed: dict[bytes, RewriteError] = {}
        self._asked = 0
        self._rows: Counter[RewriteOutcome] = Counter()
        self._reasons: Counter[str] = Counter()

    def rows(self, rows: Iterable[Row | BadRow]) -> Generator[Row | BadRow, None, None]:
        """The rows with their answers applied; invalid rows are unchanged."""
        self._rows, self._reasons = Counter(), Counter()
        waiting: deque[tuple[Row | BadRow, Future[_Result]]] = deque()
        for row in rows:
            waiting.append((row, self._begin(row)))
            while waiting and (len(waiting) > self._ahead or waiting[0][1].done()):
                yield self._finish(*waiting.popleft())
        while waiting:
            yield self._finish(*waiting.popleft())

    def report(self) -> RewriteReport:
        """The outcome of the last pass; `asked` counts all passes."""
        return RewriteReport(
            asked=self._asked,
            rows=dict(self._rows),
            reasons=dict(self._reasons.most_common()),
            stopped=self._asker.breaker.why if self._asker else None,
            cache_fault=self._cache.fault,
        )

    def _begin(self, row: Row | BadRow) -> Future[_Result]:
        if isinstance(row, BadRow) or not self._wish_of(row):
            return _known(None)
        prompt = row.spec.prompt
        if prompt not in self._flying:
            known = self._failed.get(_digest(prompt)) or self._cache.get(prompt)
            if known is not None or self._asker is None:
                return _known(known)
            self._flying[prompt] = self._portal.start_task_soon(self._ask, self._asker, prompt)
        return self._flying[prompt]

    async def _ask(self, asker: Asker, prompt: str) -> _Result:
        async with self._slots:
            try:
                answer = await asker.ask(prompt)
            except RewriteError as error:
                return error
            # Cancelling does not stop the thread, so the answer is cached even if the submit ends.
            return await anyio.to_thread.run_sync(self._cache.put, prompt, answer)

    def _finish(self, row: Row | BadRow, asked: Future[_Result]) -> Row | BadRow:
        result = asked.result()
        if isinstance(row, BadRow) or not (wish := self._wish_of(row)):
            return row
        prompt = row.spec.prompt
        if isinstance(result, RewriteError):
            self._failed[_digest(prompt)] = result
        if self._flying.pop(prompt, None) is not None and not isinstance(result, NotAskedError):
            self._asked += 1
        if result is None:
            self._rows[RewriteOutcome.UNASKED] += 1
            return row
        return self._put(row, wish, result)

    def _put(self, row: Row, wish: Wish, result: Answer | RewriteError) -> Row | BadRow:
        spec = row.spec
        prompt, frames = spec.prompt, spec.frames
        outcome, reason = RewriteOutcome.UNCHANGED, None
        if isinstance(result, RewriteError):
            outcome, reason = RewriteOutcome.FAILED, result.reason
        else:
            prompt = result.text or prompt
            estimate = result.frames() if wish.seconds else frames
            frames = estimate or frames
            if estimate is None:
                outcome, reason = RewriteOutcome.OWN_LENGTH, _out_of_range(result)
            elif (prompt, frames) != (spec.prompt, spec.frames):
                outcome = RewriteOutcome.REWRITTEN
        self._rows[outcome] += 1
        if reason is not None:
            self._reasons[reason] += 1
            if self._require:
                return BadRow(row.raw, (_problem(row, reason),))
        origin = Origin(
            prompt=spec.prompt,
            frames=spec.frames,
            asked=wish.parts(),
            outcome=outcome.value if reason is None else f"{outcome.value}: {reason}",
        )
        return replace(row, spec=replace(spec, prompt=prompt, frames=frames, origin=origin))

    def _wish_of(self, row: Row) -> Wish:
        # The length of a row takes precedence over an estimate.
        return replace(self._wish, seconds=self._wish.seconds and not row.timed)


def _known(result: _Result) -> Future[_Result]:
    known: Future[_Result] = Future()
    known.set_result(result)
    return known


def _digest(prompt: str) -> bytes:
    return hashlib.blake2b(prompt.encode(), digest_size=16).digest()


def _out_of_range(answer: Answer) -> str:
    return f"an estimate of {answer.seconds:g} s is out of range ({SHORTEST:.2g} to {LONGEST:g} s)"


def _problem(row: Row, reason: str) -> Problem:
    mend = "submit without --require-rewrite to keep what the row says, or see docs/rewriting.md"
    return Problem(row.line, "prompt", f"could not be rewritten: {reason}", mend)
