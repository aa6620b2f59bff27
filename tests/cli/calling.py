"""Call `hymo` in the test's process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from click.testing import CliRunner, Result

from jobs.cli.main import hymo

Hymo = Callable[..., Result]


def call(*words: object, **more: Any) -> Result:
    """Run `hymo` with these arguments as the console script does; `more` goes to the runner."""
    return CliRunner().invoke(hymo, list(map(str, words)), **more)
