"""Calling `hymo` within the process of the test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result

from jobs.cli.main import hymo

Hymo = Callable[..., Result]


def call(*words: object, **more: Any) -> Result:
    """Run `hymo` with these words as the console script does; `more` is the runner's."""
    return CliRunner().invoke(hymo, list(map(str, words)), **more)
