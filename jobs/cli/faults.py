"""Map expected exceptions to a one-line message and an exit code.

Exit codes: 0 ok · 1 error · 2 usage · 3 not found · 5 finished with failed jobs or with
all cancelled · 6 wait timed out · 7 database or broker unreachable · 130 interrupted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the `hymo` command."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    JOBS_FAILED = 5
    TIMED_OUT = 6
    UNREACHABLE = 7
    INTERRUPTED = 130


@dataclass(frozen=True)
class Fault:
    """The message and exit code of an expected error."""

    message: str
    exit_code: int


def explain(error: Exception) -> Fault | None:
    """The fault for an exception; None if it is a bug, which keeps its traceback.

    Errors of all packages have an `exit_code` attribute, so that none need be imported here.
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return Fault(str(error), code)
    if isinstance(error, OSError):
        return Fault(_os_message(error), ExitCode.ERROR)
    return _database_fault(error)


def _os_message(error: OSError) -> str:
    if error.filename is None or error.strerror is None:
        return str(error)
    # Of a rename, the second name is the file that was wanted; the first is a temporary one.
    return f"{error.filename2 or error.filename}: {error.strerror}"


def _database_fault(error: Exception) -> Fault | None:
    # Do not import SQLAlchemy for a command that has not used it.
    exceptions = sys.modules.get("sqlalchemy.exc")
    if exceptions is None or not isinstance(error, exceptions.DBAPIError):
        return None
    reason = str(error.orig).strip().partition("\n")[0]
    # SQLite also reports invalid statements as operational errors; those are bugs of ours.
    if reason.startswith("no such") or "syntax error" in reason:
        return None
    if error.connection_invalidated or isinstance(error, exceptions.OperationalError):
        return Fault(
            f"the database did not answer: {reason}; try again, or check that it is running, "
            "reachable and writable (HYMO_DATABASE_URL)",
            ExitCode.UNREACHABLE,
        )
    if type(error) is exceptions.DatabaseError:
        return Fault(f"database error: {reason}; check HYMO_DATABASE_URL", ExitCode.ERROR)
    return None
