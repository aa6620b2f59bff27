"""Files under temporary names: how they are called, and clearing those that nobody will finish."""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from collections.abc import Container
from pathlib import Path

SUFFIX = ".part"
_JOB_PART = re.compile(r"\.(?P<stem>.+_s\d+)\.[a-z0-9]+\.(?P<attempt>\d+)\.part")
_LINK_PART = re.compile(r"\..+\.link-(?P<at>\d+)-.+\.part")

#: Age in seconds from which a temporary file that belongs to no attempt is left over: a manifest
#: takes seconds to write.
OLD = 600.0


def part_path(final: Path, attempt: int) -> Path:
    """The temporary name of an attempt: beside the final one, since only that rename is atomic."""
    return final.with_name(f".{final.name}.{attempt}{SUFFIX}")


def temporary_path(final: Path) -> Path:
    """A temporary name beside `final` that no other host, process or thread chooses too.

    The process id alone would not do: in containers every worker may have the same one.
    """
    return final.with_name(f".{final.name}.{_token()}{SUFFIX}")


def link_path(final: Path) -> Path:
    """The temporary name of a file that an earlier job made too.

    It says when it was made: a hard link is as old as the file itself.
    """
    return final.with_name(f".{final.name}.link-{int(time.time())}-{_token()}{SUFFIX}")


def list_parts(folder: Path) -> list[Path]:
    """Every temporary file in a batch's folder."""
    return [path for path in folder.glob(f".*{SUFFIX}") if path.is_file()]


def sweep(parts: list[Path], running: Container[tuple[str, int]]) -> int:
    """Remove the temporary files that no running attempt will finish; how many there were.

    Args:
        parts: from `list_parts`, listed before `running` was read: an attempt that began in
            between has no file among them.
        running: (`stem`, attempt) of the attempts that run.
    """
    gone = 0
    for path in parts:
        found = _JOB_PART.fullmatch(path.name)
        wanted = (found["stem"], int(found["attempt"])) in running if found else _young(path)
        if not wanted:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _token() -> str:
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def _young(path: Path) -> bool:
    made = _LINK_PART.fullmatch(path.name)
    try:
        at = int(made["at"]) if made else path.stat().st_mtime
        return time.time() - at < OLD
    except FileNotFoundError:
        return True
