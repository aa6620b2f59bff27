"""Which exceptions are expected faults: the line that people read, and the exit code.

Exit codes: 0 ok · 1 error · 2 usage · 3 not found · 5 finished with failed jobs or with
all cancelled · 6 wait timed out · 7 database or broker unreachable · 130 interrupted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Every exit code of the `hymo` command."""

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
    """An expected fault as the command line reports it."""

    message: str
    exit_code: int


def explain(error: Exception) -> Fault | None:
    """The fault behind an exception; None for a fault of the program, which keeps its traceback.

    Errors of every room are known by their `exit_code` attribute, so that this room need not
    import the others' errors.
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
    return f"{error.filename}: {error.strerror}"


def _database_fault(error: Exception) -> Fault | None:
    # Looked up, not imported: a command that never touched SQL should not pay for the import.
    exceptions = sys.modules.get("sqlalchemy.exc")
    if exceptions is None or not isinstance(error, exceptions.DBAPIError):
        return None
    reason = str(error.orig).strip().partition("\n")[0]
    # SQLite reports a wrong statement as operational too; that is ours to mend, not the user's.
    if reason.startswith("no such") or "syntax error" in reason:
        return None
    if error.connection_invalidated or isinstance(error, exceptions.OperationalError):
        return Fault(
            f"the database gave no answer: {reason}; try again, or see that it is up, "
            "reachable and writable (HYMO_DATABASE_URL)",
            ExitCode.UNREACHABLE,
        )
    if type(error) is exceptions.DatabaseError:
        return Fault(f"the database refused: {reason}; is this its file?", ExitCode.ERROR)
    return None
