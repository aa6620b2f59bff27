"""Expected errors are explained in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.artifacts.atomic import atomic
from jobs.cli.faults import explain


def test_a_folder_in_the_way_is_named_instead_of_the_temporary_file(tmp_path: Path) -> None:
    final = tmp_path / "prompts.invalid.csv"
    final.mkdir()
    with pytest.raises(OSError) as caught, atomic(final) as part:
        part.touch()
    fault = explain(caught.value)
    assert fault is not None
    assert fault.message == f"{final}: Is a directory"
