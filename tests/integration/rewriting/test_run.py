"""`hymo run` with a rewriter, from a file to motions and their manifest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.redis


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for the embedded server's socket."""
    made = Path(tempfile.mkdtemp(prefix="hymo-rw-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_the_rewritten_prompt_is_made_and_both_are_in_the_manifest(rewriter, folder: Path) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    settings = {
        "HYMO_HOME": str(folder / "h"), "HYMO_REWRITER_URL": rewriter.url,
        "HYMO_REWRITER_MODEL": "m", "HYMO_REWRITER_KEY": "sk-very-secret",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }  # fmt: skip
    (folder / "night.csv").write_text("prompt,id,frames\nwalks,w,\njumps,j,50\n")
    words = ("run", "night.csv", "--rewrite", "--estimate-duration", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "jobs", *words], env={**kept, **settings}, cwd=folder,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["counts"]["succeeded"] == 2
    assert document["rewrite"]["rows"] == {"rewritten": 2}
    assert "note: rewriter: 2 rewritten (2 prompts asked)" in done.stderr
    manifest = folder / "h" / "output" / "night" / "manifest.jsonl"
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [
        (line["prompt"], line["original_prompt"], line["rewrite"], line["frames"]) for line in lines
    ] == [
        ("A person walks.", "walks", "rewritten", 60),
        ("A person jumps.", "jumps", "rewritten", 50),
    ]
    # No file contains the key.
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not [path for path in files if b"sk-very-secret" in path.read_bytes()]
