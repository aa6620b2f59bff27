"""When texts are encoded, and which jobs wait for theirs.

A job whose text is not in the store waits for it (`jobs.store.queue.encoding`). A worker whose plan
encodes takes what waits, its own jobs and those of smaller cards alike: at once where the encoder
is resident, and else alternately with sampling, as seldom as `EncodingPolicy` says.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.domain.attempts import Claim
from jobs.store.queue.encoding import Waiter
from worker.encoding.policy import EncodingPolicy
from worker.encoding.runner import EncodingRunner
from worker.engine.texts import PackTexts
from worker.execution.worker_queue import WorkerQueue
from worker.planning.encoder_placement import EncoderPlacement

log = logging.getLogger(__name__)

#: Jobs looked at when one turns out to have no text: whether theirs is there.
AHEAD = 4096
#: Waiting jobs looked at together, and texts claimed in one go: what a lease is held for.
WINDOW = 2048
ROUND = 64
#: Seconds between two looks for jobs that wait for an encoder which nobody has.
STRAYS = 60.0


@dataclass
class _ModelState:
    """Who encodes one model's texts, and what was seen of those that wait.

    Attributes:
        first_seen: when jobs were first seen waiting; None: none are.
        ended: when texts were last encoded.
        looked: when strays were last looked for.
    """

    runner: EncodingRunner
    first_seen: float | None = None
    ended: float = float("-inf")
    looked: float = float("-inf")


class EncodingScheduler:
    """Encodes what waits, and sends to wait what is not encoded.

    Args:
        queue: of this worker.
        runners: one for each model whose encoder is apart.
        stopping: whether no further round may begin.
        policy: when to change over from sampling.
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
        """Look up the texts of a claimed pack, and let the jobs wait whose text is missing.

        Where one is missing, the jobs that come next are looked through as well, so that a night's
        prompts are found missing at once and not pack by pack. A resident encoder encodes what is
        missing within the pack.

        Returns:
            The jobs that can be sampled here, and the texts that were found.
        """
        state = self._models.get(claims[0].model)
        if state is None:
            return claims, PackTexts()
        texts, start = state.runner.texts, self._clock()
        found = texts.find([claim.prompt for claim in claims])
        looked_up = PackTexts(found, (self._clock() - start) / len(claims))
        missing = [claim for claim in claims if claim.prompt not in found]
        if not missing or texts.plan is EncoderPlacement.RESIDENT:
            return claims, looked_up
        self._queue.send_back(missing, state.runner.demand)
        self._park_ahead(state.runner)
        return [claim for claim in claims if claim.prompt in found], looked_up

    def due(self, *, idle: bool) -> bool:
        """Whether there is something to encode, and this is the moment.

        Args:
            idle: whether nothing can be sampled.
        """
        return any(self._due(state, idle=idle) for state in self._models.values())

    def encode(self) -> int:
        """Encode what waits; how many jobs can be sampled now."""
        states = self._models.values()
        return sum(self._encode(state) for state in states if state.runner.texts.plan.encodes)

    def _due(self, state: _ModelState, *, idle: bool) -> bool:
        if idle:
            self._free_strays(state)
        runner = state.runner
        if not runner.texts.plan.encodes:
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
        """Jobs may wait for an encoder that was replaced since, or is quantised otherwise now."""
        now = self._clock()
        if now - state.looked < STRAYS:
            return
        state.looked = now
        freed = self._queue.free_strays(state.runner.model, state.runner.demand)
        if freed:
            log.info("%d jobs waited for a text encoder that no worker has", freed)

    def _park_ahead(self, runner: EncodingRunner) -> None:
        ahead = self._queue.upcoming(runner.model, AHEAD)
        missing = set(runner.texts.missing([each.prompt for each in ahead]))
        parked = [each.job_id for each in ahead if each.prompt in missing]
        self._queue.park(parked, runner.demand)

    def _encode(self, state: _ModelState) -> int:
        """Encode everything that waits for a model's encoder, a window at a time."""
        runner, moved = state.runner, 0
        while not self._stopping():
            found = self._queue.waiters(runner.model, runner.demand, WINDOW)
            went = self._window(runner, found) if found else 0
            moved += went
            if went == 0:
                break
        state.first_seen = None
        state.ended = self._clock()
        return moved

    def _window(self, runner: EncodingRunner, waiters: Sequence[Waiter]) -> int:
        """Encode the texts of these jobs, and send them on."""
        missing = set(runner.texts.missing([each.prompt for each in waiters]))
        moved = self._send_on([each for each in waiters if each.prompt not in missing])
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
            moved += self._send_on(
                [w for w in waiters if w.prompt in done and w.job_id not in heads_done]
            )
        return moved

    def _send_on(self, waiters: Sequence[Waiter]) -> int:
        return self._queue.unpark([each.job_id for each in waiters]) if waiters else 0
