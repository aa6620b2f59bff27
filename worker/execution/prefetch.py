"""Prefetch: while one pack is sampled, the next is claimed, and put on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from jobs.domain.attempts import Claim
from jobs.domain.clock import Clock
from worker.engine.texts import PackTexts
from worker.execution.lease_keeper import HeldPack

#: Seconds before the end of a pack's sampling at which the next pack is claimed. Earlier, it would
#: be taken from other workers, and from jobs that are submitted meanwhile.
AHEAD = 1.0
#: Packs that are sampled faster than this many seconds are not worth the effort.
WORTH = 0.02


@dataclass(frozen=True)
class ReadyPack:
    """A claimed pack that can be sampled.

    Attributes:
        held: its leases.
        claims: its jobs whose texts are there.
        texts: these texts.
        prepared: what the engine made of them ahead, if anything.
    """

    held: HeldPack
    claims: Sequence[Claim]
    texts: PackTexts
    prepared: Any = None


class Prefetch:
    """Claims packs in a thread of its own.

    Args:
        make: claims a pack and makes it ready; None: there is none.
        clock: monotonic seconds.
    """

    def __init__(self, make: Callable[[], ReadyPack | None], *, clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
        self._made: Future[ReadyPack | None] | None = None
        self._kept: ReadyPack | None = None
        self._begun = 0.0

    def begin(self) -> None:
        """The sampling of a pack begins."""
        self._begun = self._clock()

    def step(self, step: int, total: int) -> None:
        """A step of it is done: claim the next pack if little is left."""
        if self._made is not None or self._kept is not None or step == total:
            return
        passed = self._clock() - self._begun
        if passed >= WORTH and passed / step * (total - step) <= AHEAD:
            self._made = self._thread.submit(self._make)

    def take(self) -> ReadyPack | None:
        """The pack that was claimed, if any; waits for it, and raises what went wrong."""
        kept, self._kept = self._kept, None
        if kept is not None:
            return kept
        made, self._made = self._made, None
        return None if made is None else made.result()

    def put_back(self, ready: ReadyPack) -> None:
        """Keep a pack that was taken: another one goes first."""
        self._kept = ready

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
