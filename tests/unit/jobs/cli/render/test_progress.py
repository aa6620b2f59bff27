"""The progress bar stays on one line of the terminal, with the batch's name."""

from __future__ import annotations

import io
import re
import sys
import time
from dataclasses import replace

import pytest
from rich.cells import cell_len

from jobs.cli.render.progress import display
from jobs.domain.states import State
from jobs.monitoring.progress import UNKNOWN

REASON = "no worker fits: needs 1 GiB full; no worker is live"
WAITS = replace(UNKNOWN, total=10, counts={State.QUEUED: 10}, reason=REASON)


class Terminal(io.TextIOWrapper):
    """A stream of bytes that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [40, 80])
def test_a_line_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch, encoding: str, width: int
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", Terminal(written, encoding, "backslashreplace"))
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    with display("night", time.monotonic) as show:
        show(WAITS)
    sys.stderr.flush()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue().decode())
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    assert max(map(cell_len, lines)) <= width
    assert lines[-1].startswith("night ")
    assert "0/10 done" in lines[-1]
