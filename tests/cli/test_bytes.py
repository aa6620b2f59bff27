"""Bytes that are not UTF-8 in arguments and settings are refused in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from jobs.cli.main import hymo
from tests.cli.conftest import Shell

LATIN = b"caf\xe9"
COMMANDS = hymo.list_commands(click.Context(hymo))


def _run(shell: Shell, *words: str | bytes, cwd: str | bytes | None = None, **environ: bytes):
    shell.home.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "jobs", *words],
        env={**os.environ, **shell.environment(), **environ}, capture_output=True, text=True,
        cwd=cwd or shell.home.parent, check=False,
    )  # fmt: skip


def _refused(done: subprocess.CompletedProcess[str], what: str) -> None:
    assert done.returncode == 2, done
    assert not done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    assert what in done.stderr
    assert "is not UTF-8" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_refuses_them_in_its_arguments(shell: Shell, command: str) -> None:
    _refused(_run(shell, command, LATIN), r" is not UTF-8: 'caf\udce9'; type it in a terminal")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("history", "--grep", LATIN), "--grep"),
        (("submit", "x.csv", b"--output=" + LATIN), "--output"),
        (("--home", LATIN, "show", "1"), "--home"),
        (("workers", "declare", LATIN, "--card", "A100"), "NAME"),
        (("show", "1", LATIN), "JOB|BATCH"),
        (("history", LATIN, "--grep", LATIN), "argument 2"),
        ((LATIN, "show"), "argument 1"),
        (("show", b"--" + LATIN), "argument 2"),
    ],
)
def test_and_in_its_options(shell: Shell, words: tuple[str | bytes, ...], name: str) -> None:
    _refused(_run(shell, *words), f"{name} is not UTF-8: ")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("HYMO_HOME", LATIN, "caf"),
        ("HYMO_OUTPUT", LATIN, "caf"),
        ("HYMO_EMBEDDINGS", LATIN, "caf"),
        ("HYMO_REWRITER_MODEL", LATIN, "caf"),
        ("HYMO_LEASE", b"9\xe9", "9"),
        ("HYMO_DATABASE_URL", b"postgresql://me:secret\xe9@host/hymo", "HYMO_DATABASE_URL='…'"),
    ],
)
def test_settings_are_checked_where_they_enter(
    shell: Shell, name: str, value: bytes, shown: str
) -> None:
    done = _run(shell, "show", "1", **{name: value})
    _refused(done, shown)
    assert name in done.stderr
    assert "rename the folder" in done.stderr
    assert "secret" not in done.stderr


def test_so_are_the_folders_that_settings_are_relative_to(shell: Shell) -> None:
    folder = os.fsencode(shell.home.parent) + b"/" + LATIN
    Path(os.fsdecode(folder)).mkdir()
    done = _run(shell, "show", "1", cwd=folder, HYMO_OUTPUT=b"out")
    _refused(done, "HYMO_OUTPUT=")
    environ = {"HOME": folder, "HYMO_HOME": b""}
    _refused(_run(shell, "show", "1", **environ), "HYMO_HOME=")


def test_text_of_any_script_is_an_argument(shell: Shell) -> None:
    done = _run(shell, "show", "走路/é🚶")
    assert (done.returncode, "is not UTF-8" in done.stderr) == (3, False)
