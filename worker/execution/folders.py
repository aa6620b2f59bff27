"""Which batches' folders this worker can write to, looked at outside of claims."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.artifacts.folder import OUTSIDE, Sight, look
from jobs.artifacts.place import PlaceError, batch_folder
from jobs.domain.batches import Batch
from jobs.domain.clock import Clock
from jobs.domain.pauses import PauseScope
from jobs.errors import UnreachableError
from worker.execution.pauses import Pauses
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

#: Seconds between two looks at every folder, and the longest pause between two looks at one that
#: was not there.
EVERY = 15.0


@dataclass(frozen=True)
class _Known:
    """A batch, what the last look found, how often in a row it found a fault, and the next look."""

    batch: Batch
    seen: Sight
    faults: int = 0
    due: float = 0.0


class BatchFolders:
    """The folders of unfinished batches, as this worker sees them.

    A worker on which a share is not mounted must not take the share's batches: it would write to
    its own disk. Looks take seconds where a share hangs, so claims only read what was found.

    Args:
        queue: reads batches and records tokens.
        pauses: shows the batches that are left out.
        host: this machine's name, for people.
        look: looks at a folder (`jobs.artifacts.folder.look`).
        clock: monotonic seconds.

    Attributes:
        newest: id of the newest batch whose folder was looked at.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        pauses: Pauses,
        host: str,
        look: Callable[[Path, str | None], Sight] = look,
        clock: Clock = time.monotonic,
    ) -> None:
        self._queue = queue
        self._pauses = pauses
        self._host = host
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[int, _Known] = {}
        self._full = clock() - EVERY
        self.newest = 0  # nothing is claimed before the first look
        self._unseen: frozenset[int] = frozenset()

    @property
    def hidden(self) -> frozenset[int]:
        """Ids of the batches that this worker leaves out: their folder is not there, or paused."""
        outputs = self._pauses.subjects(PauseScope.OUTPUT)
        if not outputs:
            return self._unseen
        known = tuple(self._known.values())
        return self._unseen | {one.batch.id for one in known if one.batch.output in outputs}

    def refresh(self, *, full: bool = False) -> bool:
        """Look at the folders of new batches, and again at those that are due.

        Args:
            full: look at the folders of all unfinished batches.

        Returns:
            Whether more can be claimed than before.
        """
        with self._lock:
            now = self._clock()
            full = full or now - self._full >= EVERY
            try:
                newest, batches = self._queue.unfinished(after=0 if full else self.newest)
                if full:
                    self._forget({batch.id for batch in batches})
                    self._full = now
                due = [one.batch for one in self._known.values() if one.due <= now]
                fresh = {batch.id: batch for batch in (*due, *batches)}
                self._look_at(fresh.values(), now)
            except UnreachableError as error:
                log.warning("folders not looked at: %s", error)
                return False
            unseen = frozenset(n for n, one in self._known.items() if one.seen.fault is not None)
            more = newest > self.newest or bool(self._unseen - unseen)
            self.newest, self._unseen = newest, unseen
        return more

    def _forget(self, unfinished: set[int]) -> None:
        gone = self._known.keys() - unfinished
        for number in gone:
            self._pauses.end(PauseScope.BATCH, self._known[number].batch.name)
        self._known = {n: one for n, one in self._known.items() if n not in gone}

    def _seen(self, batch: Batch) -> Sight:
        try:
            folder = batch_folder(batch.output, batch.name)
        except PlaceError:
            return Sight()  # its jobs are claimed, and fail with that error
        return self._queue.adopt(batch, self._look(folder, batch.token))

    def _look_at(self, batches: Iterable[Batch], now: float) -> None:
        """Look at the folders of batches."""
        known = dict(self._known)
        for batch in batches:
            seen = self._seen(batch)
            token = seen.token or batch.token
            if seen.fault is None:
                known[batch.id] = _Known(replace(batch, token=token), seen, due=now + EVERY)
                self._pauses.end(PauseScope.BATCH, batch.name)
                continue
            before = known.get(batch.id)
            faults = 0 if before is None else before.faults
            due = now + min(2.0**faults, EVERY)
            known[batch.id] = _Known(batch, seen, faults + 1, due)
            if seen.fault == OUTSIDE:
                reason = f"output {batch.output} {OUTSIDE} of {self._queue.name}"
            else:
                what = f"its folder {batch.folder} {seen.fault}"
                reason = f"batch {batch.name}: {what} on {self._host}"
            self._pauses.begin(PauseScope.BATCH, batch.name, reason)
        self._known = known
