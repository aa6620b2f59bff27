"""Logging of worker processes: plain lines on stderr, UTC, no colours."""

from __future__ import annotations

import logging
import sys
import time


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send this process's log to stderr. Of Celery's lines, warnings and errors are shown."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter(
        "%(asctime)sZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("worker", "jobs", "hymotion"):
        logging.getLogger(name).setLevel(level)
