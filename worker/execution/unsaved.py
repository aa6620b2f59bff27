"""Finished motions whose files cannot be saved, because the machine is at fault and not the job."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from jobs.artifacts.folder import in_words, look, probe
from jobs.domain.attempts import Claim, Failed, Success
from jobs.domain.clock import Clock
from jobs.domain.pauses import PauseScope
from jobs.errors import OutageError, UnreachableError
from worker.execution.folders import BatchFolders
from worker.execution.lease_keeper import HeldPack, LeaseKeeper
from worker.execution.pauses import Pauses
from worker.execution.save import SaveError, discard
from worker.execution.worker_queue import WorkerQueue

log = logging.getLogger(__name__)

#: Most motions that are kept in memory; one takes up to 0.7 MB. Further jobs are given back.
MOST = 128
#: Longest pause between two attempts to save, seconds; the first is one second.
LONGEST = 30.0


@dataclass(frozen=True)
class Unsaved:
    """A finished motion whose files are not in place.

    Attributes:
        claim: its job.
        save: saves it again; raises `SaveError`.
        failure: how its attempt ends if the job is at fault.
    """

    claim: Claim
    save: Callable[[], Success]
    failure: Failed

    @property
    def folder(self) -> Path:
        """The folder of its batch."""
        return Path(self.claim.output) / self.claim.batch


@dataclass
class _Stall:
    """A folder that cannot be written, and the motions kept for it.

    Attributes:
        paused: whether the output folder is paused; else `BatchFolders` leaves its batch out.
        pack: holds the leases of the jobs.
        lease: ends the renewals.
        tries, due: attempts to save so far, and the time of the next one.
        kept: the motions, the oldest first.
    """

    folder: Path
    output: str
    paused: bool
    pack: HeldPack
    lease: ExitStack
    due: float
    tries: int = 0
    kept: tuple[Unsaved, ...] = ()


class UnsavedMotions:
    """Keeps motions with their claims until they can be saved, and pauses their output folder.

    A disk that is full or gone is no reason to sample again or to count an attempt. The probe of
    `jobs.artifacts.folder` tells whether the machine or the job is at fault.

    Args:
        queue: ends the jobs.
        keeper: renews the leases of the motions that are kept.
        pauses: shows the output folders that are left out, and hides them from claims.
        folders: sees folders that are gone.
        host: this machine's name, for people.
        most: maximum number of motions to keep.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        queue: WorkerQueue,
        keeper: LeaseKeeper,
        pauses: Pauses,
        folders: BatchFolders,
        host: str,
        most: int = MOST,
        clock: Clock = time.monotonic,
    ) -> None:
        self._queue = queue
        self._keeper = keeper
        self._pauses = pauses
        self._folders = folders
        self._host = host
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._stalls: dict[Path, _Stall] = {}

    @property
    def claims(self) -> list[Claim]:
        """The claims of the motions that are kept."""
        with self._lock:
            return [each.claim for one in self._stalls.values() for each in one.kept]

    def keep(self, motions: Sequence[Unsaved]) -> list[Failed]:
        """Keep the motions that the machine failed to save. Returns the failures of the others."""
        failures = []
        for motion in motions:
            if not self._stalled(motion):
                discard(motion.claim)
                failures.append(motion.failure)
            elif not self._add(motion):
                self._queue.give_back([motion.claim], "its files could not be saved")
        if len(failures) < len(motions):
            self._folders.refresh(full=True)  # no further job of these folders is claimed
        return failures

    def retry(self) -> bool:
        """Save the motions whose time has come. Returns whether a folder can be written again."""
        with self._lock:
            due = [stall for stall in self._stalls.values() if stall.due <= self._clock()]
        saved = False
        for stall in due:
            try:
                over = self._save(stall)
            except (OutageError, UnreachableError) as error:
                log.warning("motions not saved yet: %s", error)
                over = False
            if over:
                saved = True
                self._end(stall)
            else:
                stall.due = self._clock() + min(2.0**stall.tries, LONGEST)
                stall.tries += 1
        return saved

    def give_back(self, reason: str) -> None:
        """Return the jobs of all kept motions to the queue, uncounted."""
        with self._lock:
            stalls = list(self._stalls.values())
            claims = [motion.claim for stall in stalls for motion in stall.kept]
            self._stalls = {}
            for stall in stalls:
                stall.kept = ()
        try:
            if claims:
                self._queue.give_back(claims, reason)
        except OutageError as error:
            log.warning("%d jobs were not given back: %s", len(claims), error)
        for stall in stalls:
            stall.lease.close()

    def _stalled(self, motion: Unsaved) -> bool:
        """Whether a motion's folder cannot be written: the machine is at fault."""
        output = motion.claim.output
        if motion.folder in self._stalls:
            return True
        seen = look(motion.folder, motion.claim.token).fault is None
        error = probe(motion.folder) if seen else None
        if seen and error is None:
            return False
        if error is not None:
            reason = f"output {output} {in_words(error)} on {self._host}"
            self._pauses.begin(PauseScope.OUTPUT, output, reason)
        lease = ExitStack()
        pack = lease.enter_context(self._keeper.hold((), waits=True))
        stall = _Stall(motion.folder, output, seen, pack, lease, due=self._clock() + 1.0)
        with self._lock:
            self._stalls[motion.folder] = stall
        return True

    def _add(self, motion: Unsaved) -> bool:
        """Keep a motion. Returns False if there are too many, or its folder was just mended."""
        with self._lock:
            stall = self._stalls.get(motion.folder)
            if stall is None or sum(len(o.kept) for o in self._stalls.values()) >= self._most:
                return False
            stall.kept += (motion,)
            stall.pack.claims = {each.claim.job_id: each.claim for each in stall.kept}
        return True

    def _end(self, stall: _Stall) -> None:
        with self._lock:
            if stall.kept:
                return  # a motion came meanwhile
            self._stalls.pop(stall.folder, None)
            paused = any(o.paused and o.output == stall.output for o in self._stalls.values())
        stall.lease.close()
        if not paused:
            self._pauses.end(PauseScope.OUTPUT, stall.output)

    def _save(self, stall: _Stall) -> bool:
        """Save the kept motions of a folder. Returns False if it still cannot be written."""
        if not stall.kept:
            return not stall.paused or probe(stall.folder) is None
        while stall.kept:
            motion = stall.kept[0]
            if not self._dropped(stall, motion.claim) and not self._saved(motion):
                return False
            with self._lock:
                stall.kept = tuple(each for each in stall.kept if each is not motion)
                stall.pack.claims = {each.claim.job_id: each.claim for each in stall.kept}
        return True

    def _dropped(self, stall: _Stall, claim: Claim) -> bool:
        """Whether a job was cancelled or lost meanwhile, so that its motion is not wanted."""
        new = stall.pack.notice()
        cancelled = [each.claim for each in stall.kept if each.claim.job_id in new.cancelled]
        if cancelled:
            self._queue.cancelled(cancelled)
        return stall.pack.stopped(claim)

    def _saved(self, motion: Unsaved) -> bool:
        """Save one motion. Returns False if its folder still cannot be written.

        A job that fails although the folder can be written is given back: its next attempt counts.
        """
        claim = motion.claim
        try:
            error = self._queue.succeed([motion.save()]).get(claim.job_id)
        except SaveError as failed:
            error = failed.error
        if error is not None:
            gone = look(motion.folder, claim.token).fault is not None
            if gone or probe(motion.folder) is not None:
                return False
            self._queue.give_back([claim], f"its files could not be saved: {error}")
        discard(claim)  # the files of a job whose lease was lost
        return True
