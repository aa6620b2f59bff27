"""Which batches' folders this worker can write to, looked at outside of claims."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.artifacts.folder import Sight, look
from jobs.domain.batches import Batch
from jobs.domain.clock import Clock
from jobs.domain.pauses import PauseScope
from jobs.errors import UnreachableError
from worker.execution.pauses import Pauses
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

#: Seconds that a file system has to answer. One that does not is looked at no more until it does.
PATIENCE = 5.0
#: Seconds between two looks at every folder, and the longest pause between two looks at one that
#: was not there.
EVERY = 15.0
_SILENT = Sight(fault="does not answer")


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
    its own disk. Looking takes for ever on a share that hangs, so every look has a thread of its
    own and a time limit, and claims only read what was found.

    Args:
        queue: reads batches and records tokens.
        pauses: shows the batches that are left out.
        host: this machine's name, for people.
        look: looks at a folder (`jobs.artifacts.folder.look`).
        patience: seconds that one look may take.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        pauses: Pauses,
        host: str,
        look: Callable[[Path, str | None], Sight] = look,
        patience: float = PATIENCE,
        clock: Clock = time.monotonic,
    ) -> None:
        self._queue = queue
        self._pauses = pauses
        self._host = host
        self._look = look
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[int, _Known] = {}
        self._full = clock() - EVERY
        self._looking: dict[str, _Round] = {}
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
                self._note(self._seen(list(fresh.values())), now)
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

    def _note(self, found: Iterable[tuple[Batch, Sight]], now: float) -> None:
        known = dict(self._known)
        for batch, sight in found:
            seen = self._queue.adopt(batch, sight)
            token = seen.token or batch.token
            if seen.fault is None:
                known[batch.id] = _Known(replace(batch, token=token), seen, due=now + EVERY)
                self._pauses.end(PauseScope.BATCH, batch.name)
                continue
            before = known.get(batch.id)
            faults = 0 if before is None else before.faults
            due = now + min(2.0**faults, EVERY)
            known[batch.id] = _Known(batch, seen, faults + 1, due)
            what = f"its folder {batch.folder} {seen.fault}"
            reason = f"batch {batch.name}: {what} on {self._host}"
            self._pauses.begin(PauseScope.BATCH, batch.name, reason)
        self._known = known

    def _seen(self, batches: Sequence[Batch]) -> list[tuple[Batch, Sight]]:
        """Look at folders, those of each output folder in a thread of their own."""
        by_output: dict[str, list[Batch]] = defaultdict(list)
        found: list[tuple[Batch, Sight]] = []
        for batch in batches:
            if batch.token is None:
                found.append((batch, Sight()))
            else:
                by_output[batch.output].append(batch)
        started = []
        for output, some in by_output.items():
            before = self._looking.get(output)
            if before is not None and not before.done.is_set():
                found += [(batch, _SILENT) for batch in some]
                continue
            self._looking[output] = _Round(some, self._look)
            started.append(self._looking[output])
        for each in started:
            found += each.results(self._patience)
        return found


class _Round:
    """One thread that looks at the folders of one output folder."""

    def __init__(self, batches: Sequence[Batch], look: Callable[[Path, str | None], Sight]) -> None:
        self.done = threading.Event()
        self._batches = batches
        self._look = look
        self._found: dict[int, Sight] = {}
        threading.Thread(target=self._run, name="folders", daemon=True).start()

    def _run(self) -> None:
        try:
            for batch in self._batches:
                self._found[batch.id] = self._look(batch.folder, batch.token)
        finally:
            self.done.set()

    def results(self, patience: float) -> list[tuple[Batch, Sight]]:
        """What was found, once every look is over or one took longer than `patience` seconds.

        Batches that were not reached do not answer.
        """
        looked = -1
        while not self.done.wait(patience) and len(self._found) > looked:
            looked = len(self._found)
        return [(batch, self._found.get(batch.id, _SILENT)) for batch in self._batches]
