"""Run a process and measure it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Unit of `ru_maxrss`, bytes.
_MAXRSS = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Ran:
    """A process that exited with 0.

    Attributes:
        seconds: from its start to its end, including the interpreter's start.
        peak_bytes: largest resident set, at least that of this process at the start.
        stdout: its output.
    """

    seconds: float
    peak_bytes: int
    stdout: str


class ProcessError(Exception):
    """A measured process failed."""

    def __init__(self, command: Sequence[str], code: int, stderr: str) -> None:
        super().__init__(f"{' '.join(command)} exited with {code}:\n{stderr}")
        self.code = code


def measured(command: Sequence[str], environ: Mapping[str, str]) -> Ran:
    """Run and measure a command; raises `ProcessError` unless it exits with 0."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    stdout, stderr = process.stdout, process.stderr
    if stdout is None or stderr is None:
        raise ProcessError(command, -1, "no pipes")
    # The output is far smaller than a pipe's buffer, so the streams can be read one by one.
    with stdout, stderr:
        out, err = stdout.read(), stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ProcessError(command, process.returncode, err)
    return Ran(seconds, usage.ru_maxrss * _MAXRSS, out)
