"""docs/prompt-files.md documents every column and every limit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobs.domain import spec
from jobs.domain.catalog import CATALOG
from jobs.promptfile.metadata import MAX_COLUMNS, MAX_METADATA
from jobs.promptfile.raw import COLUMNS, LINE_COLUMN, REASON_COLUMN
from jobs.promptfile.source import EXTENSIONS, PROMPT_FORMATS

PAGE = (Path(__file__).parents[4] / "docs" / "prompt-files.md").read_text("utf-8")
# `| name | default | takes |`
ROWS = {
    name: (default.strip(), takes.strip())
    for name, default, takes in re.findall(r"^\| `(\w+)` \|([^|]*)\|([^|]*)\|$", PAGE, re.MULTILINE)
}


def test_every_column_and_format_has_a_row() -> None:
    assert set(COLUMNS) <= set(ROWS)
    assert set(PROMPT_FORMATS) <= set(ROWS)
    assert set(ROWS) == set(COLUMNS) | set(PROMPT_FORMATS)
    for extension in EXTENSIONS:
        assert f"`{extension}`" in PAGE
    assert LINE_COLUMN in PAGE
    assert REASON_COLUMN in PAGE


def _listed(names: Sequence[str]) -> list[str]:
    """The parts before and after the `and` of a list: "`a`, `b`" and "`c`"."""
    quoted = [f"`{name}`" for name in names]
    return [", ".join(quoted[:-1]), quoted[-1]]


def _own(setting: str) -> str:
    """The models' own values of `steps` or `guidance`."""
    models = [entry for entry in CATALOG.values() if entry.trained]
    return "; ".join(f"`{entry.name}` {getattr(entry, setting):g}" for entry in models)


@pytest.mark.parametrize(
    ("column", "default", "limits"),
    [
        ("frames", spec.DEFAULT_FRAMES, f"{spec.MIN_FRAMES}–{spec.MAX_FRAMES}"),
        ("seed", 0, f"0 … {spec.MAX_SEED}"),
        ("seeds", 1, f"1–{spec.MAX_SEEDS:_}"),
        ("steps", _own("steps"), f"1–{spec.MAX_STEPS}"),
        ("guidance", _own("guidance"), f"0–{spec.MAX_GUIDANCE:g}"),
        ("priority", 0, f"−{spec.MAX_PRIORITY}"),
        ("formats", "`npz`", " and ".join(_listed(spec.FORMATS))),
        ("prompt", "", f"{spec.MAX_PROMPT:_} characters"),
    ],
)
def test_defaults_and_limits(column: str, default: object, limits: str) -> None:
    stated_default, takes = ROWS[column]
    assert stated_default.split(", ")[-1] == str(default)
    assert limits.replace("_", " ") in takes


def test_limits_of_metadata() -> None:
    assert f"{MAX_COLUMNS} columns" in PAGE
    assert f"{MAX_METADATA:_} characters".replace("_", " ") in PAGE.replace("\n", " ")
