"""The names of temporary files, and the removal of abandoned ones."""

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
#: What stands between the name of a file and `SUFFIX`: an attempt, or the token of a process. A
#: host's name may have dots.
_MIDDLE = re.compile(r"\d+|(?:link-\d+-)?.+-\d+-[0-9a-f]{8}")

#: Age in seconds from which a temporary file without an attempt is abandoned; manifests and links
#: take seconds to write.
OLD = 600.0


def part_path(final: Path, attempt: int) -> Path:
    """The temporary path of an attempt, in the same folder so that the rename is atomic."""
    return final.with_name(f".{final.name}.{attempt}{SUFFIX}")


def temporary_path(final: Path) -> Path:
    """A temporary path beside `final` that no other host, process or thread uses.

    The process id is not enough: in containers every worker may have the same one.
    """
    return final.with_name(f".{final.name}.{_token()}{SUFFIX}")


def link_path(final: Path) -> Path:
    """The temporary path of a copy of an earlier job's file.

    The name contains the current time, since a hard link has the modification time of its file.
    """
    return final.with_name(f".{final.name}.link-{int(time.time())}-{_token()}{SUFFIX}")


def final_names(name: str) -> list[str]:
    """The names of files of which `name` may be a temporary file; empty if it is none.

    Names and hosts may have dots, so there may be several.
    """
    if not (name.startswith(".") and name.endswith(SUFFIX)):
        return []
    pieces = name.removesuffix(SUFFIX).split(".")[1:]
    splits = ((".".join(pieces[:at]), ".".join(pieces[at:])) for at in range(1, len(pieces)))
    return [final for final, middle in splits if _MIDDLE.fullmatch(middle)]


def list_parts(folder: Path) -> list[Path]:
    """All temporary files in a batch's folder."""
    return [path for path in folder.glob(f".*{SUFFIX}") if path.is_file()]


def sweep(parts: list[Path], running: Container[tuple[str, int]]) -> int:
    """Remove the temporary files that belong to no running attempt and return how many.

    Args:
        parts: result of `list_parts`. List the files before reading `running`, or the files of
            attempts that began in between are removed.
        running: (`stem`, attempt) of the running attempts.
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
