"""Helpers that read files for the tests of `hymo models`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result

NAME = "hy-motion-1.0"


def document(done: Result) -> dict[str, Any]:
    assert done.exit_code in {0, 1}, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def record(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "models" / NAME / "model.json").read_text())
    return found
