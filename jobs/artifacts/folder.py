"""Folders of batches: which one is a batch's, and whether files can be written there.

The same path may be another folder on another machine: a share that is not mounted leaves an empty
folder on the local disk. A mark in the folder, a small file with the batch's token, tells them
apart.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jobs.artifacts.place import is_below, leads_out
from jobs.artifacts.temporary import temporary_path

MARK = ".hymo-batch.json"
#: Whose temporary files `probe` writes.
PROBE_NAME = "probe"
#: Bytes that `probe` writes: a disk with less room than for a motion or two is full.
PROBE = 4 * 2**20
#: The fault of a folder of the same path that is not the batch's.
OTHER = "is another one (its mark is not this batch's)"
#: The fault of a folder whose output folder is not on this machine, as far as can be told.
UNMOUNTED = "is not mounted"
#: The fault of a folder whose mark cannot be read as one.
DAMAGED = f"has a damaged mark (delete {MARK} there and submit the file again)"
#: The fault of a folder outside of the roots that a worker was given.
OUTSIDE = "is outside HYMO_OUTPUT_ROOTS"
#: The fault of a folder that a link replaces.
LINKED = "leads out of its output folder through a link"
#: Seconds that a file system has to answer.
PATIENCE = 5.0
_WORDS = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "over its quota",
    errno.EROFS: "read-only",
    errno.EACCES: "not writable",
    errno.EPERM: "not writable",
}


@dataclass(frozen=True)
class Sight:
    """What a look at a batch's folder found.

    Attributes:
        token: content of its mark; None: there is none, or the folder is not checked.
        fault: why this process must not write there, for people; None if it may.
        laid: whether the look laid the mark.
    """

    token: str | None = None
    fault: str | None = None
    laid: bool = field(default=False, compare=False)


SILENT = Sight(fault="does not answer")


class BoundedLook:
    """Looks at batches' folders with a time limit: a network share may never answer.

    A look that does not come back goes on in a thread of its own. Until it does, no other one is
    begun in that output folder.

    Args:
        look: looks at a folder.
        patience: seconds that a look may take.
    """

    def __init__(self, look: Callable[..., Sight], *, patience: float = PATIENCE) -> None:
        self._look = look
        self._patience = patience
        #: Output folder → the last look there, and when it began in monotonic seconds.
        self._last: dict[Path, tuple[threading.Thread, float]] = {}
        #: Folder and token → when a look that found no fault began.
        self._sound: dict[tuple[Path, str | None], float] = {}

    def __call__(
        self,
        folder: Path,
        token: str | None,
        *,
        again: bool = False,
        roots: Sequence[Path] = (),
        recent: float = 0.0,
    ) -> Sight:
        """Look at a batch's folder, and lay its mark if nobody has laid one.

        Nothing is laid where the output folder itself does not exist.

        Args:
            folder: the batch's folder in its output folder.
            token: the batch's; an empty one accepts any mark, None is not checked.
            again: lay a mark that is missing. Only for users, who may have deleted the folder; to a
                worker a missing mark means that the share is not mounted.
            roots: the folders below which output folders may be; none: anywhere.
            recent: seconds for which a look that found no fault need not be repeated.
        """
        if token is None and not roots:
            return Sight()
        now = time.monotonic()
        if now - self._sound.get((folder, token), -math.inf) < recent:
            return Sight(token)
        if folder.parent in self._last:
            last, since = self._last[folder.parent]
            last.join(max(0.0, since + self._patience - now))
            if last.is_alive():
                return SILENT
        found: list[Sight] = []

        def run() -> None:
            found.append(self._look(folder, token, again=again, roots=roots))

        thread = threading.Thread(target=run, name="look", daemon=True)
        # Started first: another thread may wait for it as soon as it is there.
        thread.start()
        self._last[folder.parent] = thread, now
        thread.join(self._patience)
        seen = found[0] if found else SILENT
        if seen.fault is None and token:
            self._sound[folder, token] = now
        return seen


def _look(folder: Path, token: str | None, *, again: bool, roots: Sequence[Path]) -> Sight:
    if not is_below(folder.parent, roots):
        return Sight(fault=OUTSIDE)
    if leads_out(folder, folder.parent):
        return Sight(fault=LINKED)
    return Sight() if token is None else _look_for_mark(folder, token, again=again)


def _look_for_mark(folder: Path, token: str, *, again: bool) -> Sight:
    try:
        found = _read(folder / MARK)
        laid = found is None and (again or not token)
        if laid:
            found = _lay(folder, token or secrets.token_hex(16))
    except FileNotFoundError:
        return Sight(fault=UNMOUNTED)
    except NotADirectoryError:
        return Sight(fault="is not a folder")
    except OSError as error:
        return Sight(fault=f"{'is ' * (error.errno in _WORDS)}{in_words(error)}")
    except ValueError:
        return Sight(fault=DAMAGED)
    if found is None:
        return Sight(fault=UNMOUNTED)
    return Sight(found, laid=laid) if token in {"", found} else Sight(fault=OTHER)


#: Shared by all callers of a process, so that one thread at most hangs in an output folder.
look = BoundedLook(_look)


def probe(folder: Path) -> OSError | None:
    """Why no file can be written in a folder: writes one, syncs, renames and removes it."""
    part, renamed = (temporary_path(folder / PROBE_NAME) for _ in range(2))
    try:
        with part.open("xb") as file:
            file.write(os.urandom(PROBE))  # not zeros: some file systems compress
            file.flush()
            os.fsync(file.fileno())
        part.rename(renamed)
        renamed.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
            renamed.unlink(missing_ok=True)
        return error
    return None


def in_words(error: OSError) -> str:
    """What is wrong with a disk, for people: `full`, `read-only`, `fails (Input/output error)`."""
    return _WORDS.get(error.errno or 0, f"fails ({error.strerror or error})")


def _read(path: Path) -> str | None:
    """The token of a mark; None if there is no file. Raises OSError, ValueError."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        return str(json.loads(text)["token"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is damaged") from None


def _lay(folder: Path, token: str) -> str | None:
    """Write the mark and return its token, or that of a mark that another process wrote first.

    Raises:
        OSError: it cannot be written. FileNotFoundError: the output folder does not exist.
    """
    root = folder.parent.stat()
    try:
        folder.mkdir()
    except FileExistsError:
        pass
    else:
        _give(folder, root, stat.S_IMODE(root.st_mode) & ~stat.S_ISVTX)
    path = folder / MARK
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump({"schema": "hymo.batch-mark/1", "batch": folder.name, "token": token}, file)
            file.flush()
            os.fsync(file.fileno())
        _give(path, folder.stat(), 0o200 | stat.S_IMODE(folder.stat().st_mode) & 0o444)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return token


def _give(path: Path, like: os.stat_result, mode: int) -> None:
    """Let whoever can use the folder above use this too.

    Whoever submits may be another user than the workers.
    """
    with contextlib.suppress(PermissionError):
        os.chown(path, -1, like.st_gid)
        os.chown(path, like.st_uid, -1)
    path.chmod(mode)
