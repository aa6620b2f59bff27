"""Logging of worker processes: plain lines on stderr, UTC, no colours."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from jobs.cli.render.text import clean


class _Formatter(logging.Formatter):
    """Escapes control characters of names and error texts; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(clean, super().format(record).split("\n")))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 — logging's
        return clean(super().formatMessage(record))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the present `sys.stderr`, which a progress bar replaces to keep its line whole."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send this process's log to stderr. Of Celery's lines, warnings and errors are shown."""
    handler = _Stderr(sys.stderr)
    formatter = _Formatter(
        "%(asctime)sZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("worker", "jobs", "hymotion"):
        logging.getLogger(name).setLevel(level)
