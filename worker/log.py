"""Logging of worker processes: plain lines on stderr, UTC, no colours."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

from jobs.cli.render.text import clean
from jobs.delivery.broker import kombu_url
from jobs.settings import Settings
from jobs.url import without_secrets


class _Formatter(logging.Formatter):
    """Masks passwords that libraries quote, and escapes control characters of names and error
    texts; a traceback keeps its lines."""

    def __init__(self, settings: Settings) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        self._urls = (settings.database_url, kombu_url(settings))

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for url in self._urls:
            text = without_secrets(text, url)
        return "\n".join(map(clean, text.split("\n")))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 — logging's
        return clean(super().formatMessage(record))


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to the present `sys.stderr`, which a progress bar replaces to keep its line whole."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


def log_to_stderr(settings: Settings, level: int = logging.INFO) -> None:
    """Send this process's log to stderr. Of Celery's lines, warnings and errors are shown."""
    handler = _Stderr(sys.stderr)
    formatter = _Formatter(settings)
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("worker", "jobs", "hymotion"):
        logging.getLogger(name).setLevel(level)
