"""The log of a process goes to its stderr, above a progress bar if there is one."""

from __future__ import annotations

import io
import logging
import re
import sys
import time

import pytest

from jobs.cli.render.progress import display
from jobs.monitoring.progress import UNKNOWN
from jobs.settings import Settings
from worker.log import log_to_stderr


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_warning_does_not_cut_the_line_of_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Terminal()
    monkeypatch.setattr(sys, "stderr", written)
    monkeypatch.setenv("TERM", "xterm")
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    log_to_stderr(Settings.read({"HYMO_HOME": "/nonexistent"}), logging.WARNING)
    with display("night", time.monotonic) as show:
        show(UNKNOWN)
        logging.getLogger("worker.test").warning("the server was restarted")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue())
    [line] = [line for line in re.split(r"[\r\n]+", text) if "restarted" in line]
    assert "night" not in line
