"""What README and the docs tell people to type exists, and the night of the README works."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from jobs.cli.main import hymo

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"```(?:sh|console|shell)\n(.*?)```", re.DOTALL)
TYPED = re.compile(r"(?:^|[|;&(]\s*|\$\s+)hymo\s+(.*)")


def typed(page: Path) -> Iterator[list[str]]:
    """Every `hymo …` of a page's shell blocks, split as a shell would."""
    for block in BLOCK.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\||;", line.split(" #")[0]):
                if found := TYPED.search(part.strip()):
                    words = shlex.split(found[1].split("|")[0].split(">")[0])
                    yield [word for word in words if word != "…"]


COMMANDS = [
    pytest.param(words, id=f"{page.name}: hymo {' '.join(words)}")
    for page in PAGES
    for words in typed(page)
]


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_shown_parses(words: list[str]) -> None:
    command: click.Command = hymo
    with click.Context(hymo, info_name="hymo") as context:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            assert found is not None, f"no command {words[0]}"
            command, words = found, words[1:]
        command.make_context(command.name, words, parent=context, resilient_parsing=False)


def test_the_commands_are_found() -> None:
    assert len(COMMANDS) >= 10, "the pattern still matches what README shows"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_are_not_dead(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_variable_of_the_readme_is_a_setting() -> None:
    from dataclasses import fields

    from jobs.settings import Settings

    known = {f"HYMO_{field.name.upper()}" for field in fields(Settings)}
    named = set(re.findall(r"HYMO_[A-Z_]+", (ROOT / "README.md").read_text("utf-8")))
    assert named <= known
    assert known - named == {"HYMO_NULL_STEP"}, "every setting is in README"


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"\bmake ([a-z]+)\b", (ROOT / "README.md").read_text("utf-8")))
    assert targets >= {"demo", "test", "check", "bench"}
    for target in targets & {"demo", "test", "check", "bench", "docs"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


@pytest.mark.redis
def test_the_night_of_the_readme() -> None:
    """up, submit, watch, history, show, retry, stats: typed in that order, as README does."""
    folder = Path(tempfile.mkdtemp(prefix="hymo-night-"))
    (folder / "prompts.csv").write_text("prompt,frames,steps\na person walks,20,2\nit runs,25,2\n")
    keep = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    environ = {**keep, "HYMO_HOME": str(folder / "home"), "HYMO_RECONCILE": "0.5"}

    def start(*words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "jobs", *words], cwd=folder, env=environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(*words: str) -> str:
        process = start(*words)
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, f"hymo {words}: {output}"
        return output

    up = start("up")
    try:
        assert "2 new" in run("submit", "prompts.csv")
        assert "2/2 done" in run("watch", "prompts")
        assert "failed" not in run("history", "--batch", "prompts", "--state", "failed")
        assert "a person walks" in run("show", "1")
        run("retry", "--batch", "prompts")
        assert "sample" in run("history", "stats")
    finally:
        up.terminate()
        up.communicate(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)
    assert up.returncode == 0
