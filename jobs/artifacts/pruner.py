"""Removes batches that ended long ago: their files and rows, some jobs at a time.

The files of a job go before its row, in the transaction that removes the row. A prune that is
killed may leave rows whose files are missing, which every reader checks for and the next prune
removes; the other order would leave files that no row names, and that nobody finds again. For the
same reason the mark of the folder and the batch's row go last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobs.artifacts.directory import Directory, FileCount
from jobs.artifacts.folder import in_words, look
from jobs.artifacts.own_files import OwnFiles
from jobs.domain.batches import Batch
from jobs.settings import Settings
from jobs.store.base import CHUNK
from jobs.store.pruning import RowCount
from jobs.store.store import Store

#: Seconds for which a transaction should hold its locks: SQLite has one writer, and workers wait.
HOLD = 0.25
#: Jobs of the first transaction of a batch; the next ones are sized by how long it held them.
START = 50


@dataclass
class Pruned:
    """What of a batch was removed, or would be.

    Attributes:
        foreign: whether the folder stays, since it holds files that are not HyMo's.
        fault: why the batch, or the rest of it, was left; None if it was not.
    """

    rows: RowCount = field(default_factory=RowCount)
    files: FileCount = field(default_factory=FileCount)
    foreign: bool = False
    fault: str | None = None


class Pruner:
    """Removes batches, or says what there is to remove.

    Args:
        store: the database.
        settings: the output folder, in which folders without a mark are touched as well.
        before: epoch seconds by the database's clock; a batch that changed later is left.
        keep_files: remove rows alone.
        pause: called with the seconds to wait after a transaction, so that others can write.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        before: float,
        keep_files: bool = False,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store.pruning
        self._settings = settings
        self._before = before
        self._keep_files = keep_files
        self._pause = pause

    def plan(self, batch: Batch) -> Pruned:
        """What there is to remove; changes nothing."""
        found = Pruned(self._store.counts(batch.id))
        with ExitStack() as stack:
            files = self._open(batch, found, stack)
            if files is not None:
                found.files = files.count(self._store.stems(batch.id))
        return found

    def prune(self, batch: Batch) -> Pruned:
        """Remove a batch. Call it again for one that was left half-way."""
        done = Pruned(self._store.counts(batch.id))
        with ExitStack() as stack:
            files = self._open(batch, done, stack)
            done.rows = RowCount()
            if done.fault is None:
                try:
                    self._remove(batch, files, done)
                except OSError as error:
                    done.fault = f"its file {error.filename} cannot be removed: {error.strerror}"
        return done

    def _remove(self, batch: Batch, files: OwnFiles | None, done: Pruned) -> None:
        def clear(stems: Sequence[str]) -> None:
            if files is not None:
                done.files.merge(files.remove(stems))

        def clear_batch() -> None:
            if files is not None:
                removed, gone = files.finish()
                done.files.merge(removed)
                done.foreign = not gone

        limit = START
        while True:
            began = time.monotonic()
            removal = self._store.remove_jobs(
                batch.id, before=self._before, limit=limit, clear=clear
            )
            if removal is None:
                break
            done.rows += removal.rows
            if not removal.rows.jobs:
                if self._store.remove_batch(batch.id, before=self._before, clear=clear_batch):
                    return
                break
            limit = round(min(CHUNK, max(1, limit * min(2, HOLD / max(removal.held, 0.001)))))
            self._pause(time.monotonic() - began)
        done.fault = "it has changed meanwhile"

    def _open(self, batch: Batch, found: Pruned, stack: ExitStack) -> OwnFiles | None:
        """The batch's files; None if there are none to remove, or with the fault in `found`."""
        # An empty token: nobody has ever seen the folder, so nobody wrote there.
        if self._keep_files or batch.token == "":
            return None
        fault = self._fault(batch)
        if fault is None:
            try:
                return stack.enter_context(OwnFiles.open(batch))
            except NotADirectoryError:
                fault = "is a link, or not a folder"
            except OSError as error:
                fault = in_words(error)
        if found.rows.jobs:
            mend = "--keep-files removes its rows alone"
            found.fault = f"its folder {batch.folder} {fault}; {mend}"
        elif self._is_ours(batch):
            # A prune was killed after it removed the mark: of the folder only itself can be left.
            with suppress(OSError), Directory.open(self._settings.output) as output:
                output.rmdir(batch.name)
        return None

    def _is_ours(self, batch: Batch) -> bool:
        return Path(batch.output) == self._settings.output

    def _fault(self, batch: Batch) -> str | None:
        if batch.token is None and not self._is_ours(batch):
            # From before there were marks: only the setting says whose folder it is.
            return f"has no mark and is not in {self._settings.output}"
        return look(batch.folder, batch.token, roots=self._settings.output_roots).fault
