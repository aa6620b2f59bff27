"""Decides when texts are encoded, and which jobs wait for their text.

A job whose text is not in the store waits for it (`jobs.store.queue.encoding`). A worker whose plan
encodes does so for all waiting jobs, including those of smaller cards: at once if the encoder is
resident, otherwise in phases between sampling, as `EncodingPolicy` decides.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from jobs.domain.attempts import Claim
from jobs.store.queue.encoding import Waiter
from worker.encoding.policy import EncodingPolicy
from worker.encoding.runner import EncodingRunner
from worker.engine.texts import PackTexts
from worker.engine.warmup import PROMPT
from worker.errors import TextStoreError
from worker.execution.failures import first_line
from worker.execution.worker_queue import WorkerQueue
from worker.planning.encoder_placement import EncoderPlacement

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Upcoming jobs whose texts are looked up when a text of the current pack is missing.
AHEAD = 4096
#: Waiting jobs read at once.
WINDOW = 2048
#: Texts claimed at once: their leases must last until all of them are encoded.
ROUND = 64
#: Seconds between two searches for jobs that wait for an encoder that no worker has.
STRAYS = 60.0


@dataclass
class _ModelState:
    """The scheduling state of one model.

    Attributes:
        runner: encodes the model's texts.
        first_seen: when jobs were first seen waiting; None: none are waiting.
        ended: when texts were last encoded.
        looked: when jobs that wait for a missing encoder were last searched for.
    """

    runner: EncodingRunner
    first_seen: float | None = None
    ended: float = float("-inf")
    looked: float = float("-inf")


class EncodingScheduler:
    """Encodes the texts of waiting jobs, and parks jobs whose text is not encoded.

    Args:
        queue: this worker's view of the queue.
        runners: one for each model with a separate encoder.
        stopping: whether no further round may begin.
        policy: when to switch from sampling to encoding.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        runners: Sequence[EncodingRunner],
        stopping: Callable[[], bool],
        policy: EncodingPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._models = {runner.model: _ModelState(runner) for runner in runners}
        self._stopping = stopping
        self._policy = policy or EncodingPolicy()
        self._clock = clock

    def look_up(self, claims: Sequence[Claim]) -> tuple[Sequence[Claim], PackTexts]:
        """Look up the texts of a claimed pack, and send back jobs whose text is missing.

        If a text is missing, the texts of upcoming jobs are looked up too, so that all missing
        ones are found at once and not pack by pack. A resident encoder encodes missing texts
        while the pack runs, so its jobs are not sent back.

        Returns:
            The jobs that can be sampled here, and the texts that were found.

        Raises:
            TextStoreError: the store of texts cannot be read.
        """
        state = self._models.get(claims[0].model)
        if state is None:
            return claims, PackTexts()
        texts, start = state.runner.texts, self._clock()
        found = _read(state.runner, partial(texts.find, [claim.prompt for claim in claims]))
        looked_up = PackTexts(found, (self._clock() - start) / len(claims))
        missing = [claim for claim in claims if claim.prompt not in found]
        if not missing or texts.plan is EncoderPlacement.RESIDENT:
            return claims, looked_up
        self._queue.send_back(missing, state.runner.demand)
        self._park_ahead(state.runner)
        return [claim for claim in claims if claim.prompt in found], looked_up

    def try_store(self, model: str) -> None:
        """Look up a text of a model; raises `TextStoreError`."""
        if (state := self._models.get(model)) is not None:
            _read(state.runner, partial(state.runner.texts.find, [PROMPT]))

    def due(self, *, idle: bool) -> bool:
        """Whether to encode texts now.

        Args:
            idle: whether nothing can be sampled.
        """
        return any(self._due(state, idle=idle) for state in self._models.values())

    def encode(self) -> int:
        """Encode the texts of waiting jobs. Returns how many jobs can now be sampled."""
        states = self._models.values()
        return sum(self._encode(state) for state in states if state.runner.encodes)

    def _due(self, state: _ModelState, *, idle: bool) -> bool:
        if idle:
            self._free_strays(state)
        runner = state.runner
        if not runner.encodes:
            return False
        waiting = self._queue.crowd(runner.model, runner.demand, self._policy.many)
        now = self._clock()
        if not waiting:
            state.first_seen = None
            return False
        if state.first_seen is None:
            state.first_seen = now
        if runner.texts.plan is EncoderPlacement.RESIDENT:
            return True
        waited, since = now - state.first_seen, now - state.ended
        return self._policy.due(waiting, waited=waited, since=since, idle=idle)

    def _free_strays(self, state: _ModelState) -> None:
        """Release jobs that wait for an encoder that was replaced or requantised meanwhile."""
        now = self._clock()
        if now - state.looked < STRAYS:
            return
        state.looked = now
        freed = self._queue.free_strays(state.runner.model, state.runner.demand)
        if freed:
            log.info("released %d jobs that waited for a text encoder that no worker has", freed)

    def _park_ahead(self, runner: EncodingRunner) -> None:
        ahead = self._queue.upcoming(runner.model, AHEAD)
        missing = _missing(runner, ahead)
        parked = [each.job_id for each in ahead if each.prompt in missing]
        self._queue.park(parked, runner.demand)

    def _encode(self, state: _ModelState) -> int:
        """Encode all texts that wait for a model's encoder, one window at a time."""
        runner, moved = state.runner, 0
        while not self._stopping():
            found = self._queue.waiters(runner.model, runner.demand, WINDOW)
            released = self._window(runner, found) if found else 0
            moved += released
            if released == 0:
                break
        state.first_seen = None
        state.ended = self._clock()
        return moved

    def _window(self, runner: EncodingRunner, waiters: Sequence[Waiter]) -> int:
        """Encode the texts of these jobs and release the jobs. Returns how many were released."""
        missing = _missing(runner, waiters)
        moved = self._release([each for each in waiters if each.prompt not in missing])
        heads: dict[str, int] = {}
        for each in waiters:
            if each.prompt in missing:
                heads.setdefault(each.prompt, each.job_id)
        ids = list(heads.values())
        for start in range(0, len(ids), ROUND):
            if self._stopping():
                break
            encoded = runner.run(ids[start : start + ROUND])
            moved += len(encoded)
            done = {claim.prompt for claim in encoded}
            heads_done = {claim.job_id for claim in encoded}
            moved += self._release(
                [w for w in waiters if w.prompt in done and w.job_id not in heads_done]
            )
        return moved

    def _release(self, waiters: Sequence[Waiter]) -> int:
        return self._queue.unpark([each.job_id for each in waiters]) if waiters else 0


def _missing(runner: EncodingRunner, jobs: Sequence[Waiter]) -> set[str]:
    """The prompts of these jobs whose text is not stored; raises `TextStoreError`."""
    prompts = [each.prompt for each in jobs]
    return set(_read(runner, partial(runner.texts.missing, prompts)))


def _read(runner: EncodingRunner, read: Callable[[], T]) -> T:
    """Read the store of texts; raises `TextStoreError`."""
    try:
        return read()
    except Exception as error:
        raise TextStoreError(runner.model, first_line(error)) from error
