"""No control character of a row, a name or an error text reaches a terminal."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import pty
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
from sqlalchemy import text

from jobs.cli.main import hymo
from jobs.domain.pauses import Pause, PauseScope
from jobs.monitoring.progress import BatchProgress
from jobs.settings import Settings
from jobs.store.store import Store
from tests.cli.calling import Hymo
from tests.cli.conftest import Shell
from tests.cli.made import night
from worker.cli.summary import print_summary
from worker.log import log_to_stderr

#: A title sequence, which click does not strip, C1's CSI and NEL, bell, marks that reverse text.
HOSTILE = "\x1b]0;x\x07\x9b2J\x85\u202egnp\u200f\u2066[red]{0}"
#: What a prompt file may hold of it.
MARKS = "\u202egnp\u200f\u2066[red]{0}"

#: Table, and columns of texts that come from rows, names and errors.
COLUMNS = {
    "batches": ("name", "source"),
    "workers": ("name", "host", "device", "card", "dtype"),
    "jobs": (
        "custom_id", "prompt", "revision", "error", "card", "worker_name", "original_prompt",
        "rewrite", "text_revision",
    ),
    "attempts": ("worker_name", "card", "error", "dtype", "plan", "embedding"),
}  # fmt: skip

FIELDS = (
    "batch", "custom_id", "prompt", "original_prompt", "rewrite", "revision", "error", "worker",
    "card", "files", "metadata",
)  # fmt: skip


def _unsafe(output: str) -> set[str]:
    """The characters of an output that control a terminal."""
    categories = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return {mark for mark in output if unicodedata.category(mark) in categories} - {"\n"}


@pytest.fixture
def hostile(sqlite_url: str, tmp_path: Path) -> Iterator[Store]:
    """The batch `night`, with hostile texts in all its rows and the names of its files."""
    with night(sqlite_url, tmp_path / f"out{HOSTILE}") as store:
        with store.engine.begin() as connection:
            for table, columns in COLUMNS.items():
                for column in columns:
                    connection.execute(
                        text(f"UPDATE {table} SET {column} = coalesce({column}, '') || :text"),
                        {"text": HOSTILE},
                    )
            tags = json.dumps({HOSTILE: HOSTILE, "numerics": HOSTILE})
            connection.execute(text("UPDATE workers SET tags = :tags"), {"tags": tags})
            pause = Pause(PauseScope.WORKER, "", f"output full{HOSTILE}", 1.0).as_json()
            connection.execute(
                text("UPDATE workers SET pauses = :pauses"), {"pauses": json.dumps([pause])}
            )
            metadata = json.dumps({f"scene{HOSTILE}": HOSTILE})
            connection.execute(text("UPDATE jobs SET metadata = :kept"), {"kept": metadata})
        yield store


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Prompt files with hostile names and rows, by what they are for."""
    rows = {
        "good": f"prompt,frames,scene{MARKS}\nwalks {MARKS},20,x{MARKS}\n",
        "bad": f"prompt,frames,id,mode\nwalks,6{HOSTILE},a{HOSTILE},{HOSTILE}\nhops,60,b,\n",
        "broken": f"prompt{HOSTILE},id\nwalks,b\n",
    }
    paths = {name: tmp_path / f"{name}{HOSTILE}.csv" for name in rows}
    for name, path in paths.items():
        path.write_text(rows[name], "utf-8")
    return {name: str(path) for name, path in paths.items()}


def _walk(files: dict[str, str]) -> list[tuple[str, ...]]:
    """Every command that ends by itself, with outputs and errors that name what it found."""
    batch, nothing = f"night{HOSTILE}", f"nothing{HOSTILE}"
    return [
        ("history",), ("history", "--fields", ",".join([*FIELDS, f"metadata.scene{HOSTILE}"])),
        ("history", "--fields", f"metadata.{nothing}"), ("history", "--batch", nothing),
        ("history", "stats"), ("show", batch), ("show", "1"), ("show", "4"), ("show", nothing),
        ("watch", nothing), ("watch", batch, "--timeout", "0"), ("workers", "--all"), ("workers",),
        ("workers", "declare", nothing, "--card", "A100"), ("workers", "undeclare", nothing),
        ("cards",), ("cards", nothing), ("pause", batch), ("resume", batch), ("pause", nothing),
        ("priority", batch, "3"), ("priority", nothing, "3"),
        ("prune", "--older-than", "0d"), ("prune", "--older-than", "30d", "--batch", nothing),
        ("cancel", "--batch", nothing), ("cancel", nothing), ("cancel", batch), ("retry", "4"),
        ("retry", nothing), ("export", batch, "--format", "bvh"), ("export", nothing),
        ("preview", batch, "--no-gif"), ("preview", nothing), ("evaluate", batch),
        ("evaluate", nothing), ("doctor",), ("models",), ("models", "show", nothing),
        ("models", "verify", nothing), ("models", "remove", nothing, "--yes"),
        ("models", "import", nothing), ("db", "upgrade"), ("db", "show"),
        ("submit", files["good"], "--dry-run"), ("submit", files["good"]),
        ("submit", files["bad"]), ("submit", files["bad"], "--skip-invalid"),
        ("submit", files["broken"]), ("submit", nothing),
        ("submit", files["good"], "--batch", batch),
        ("submit", files["good"], "--encoding", nothing), (nothing,), ("history", nothing),
        ("run", files["broken"]), ("run", nothing), ("up", nothing), ("worker", nothing),
        ("--home", nothing, "show", "1"),
    ]  # fmt: skip


def test_no_command_prints_a_control_character(
    hymo_: Hymo, hostile: Store, files: dict[str, str]
) -> None:
    walked = _walk(files)
    assert {words[0] for words in walked} >= set(hymo.list_commands(click.Context(hymo)))
    seen = ""
    for words in walked:
        done = hymo_(*words, color=True, env={"NO_COLOR": "1"})
        assert done.exception is None or isinstance(done.exception, SystemExit), (words, done)
        assert not _unsafe(done.output), (words, _unsafe(done.output), done.output)
        seen += done.output
    assert seen.count(r"\u202egnp") > 100, "the hostile texts are not in the outputs"


def test_json_is_exact_and_escapes_them(hymo_: Hymo, hostile: Store) -> None:
    for words in (("history",), ("history", "--all"), ("show", "1"), ("workers", "--all")):
        output = hymo_(*words, "--json", color=True).stdout
        assert not _unsafe(output), words
        assert r"\u202egnp\u200f\u2066" in output, words
    [job] = json.loads(hymo_("show", "1", "--json").stdout)["jobs"]
    assert job["prompt"] == f"a person waves with the left hand{HOSTILE}"
    assert job["metadata"] == {f"scene{HOSTILE}": HOSTILE}


def test_csv_has_line_breaks_alone(hymo_: Hymo, hostile: Store) -> None:
    for words in (("history", "--csv"), ("history", "stats", "--csv")):
        output = hymo_(*words, color=True).stdout
        assert not _unsafe(output), words
        header, *rows = csv.reader(io.StringIO(output))
        assert rows
        assert {len(row) for row in rows} == {len(header)}


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\r\n=", "\n="])
def test_no_cell_of_safe_csv_is_a_formula(hymo_: Hymo, hostile: Store, begin: str) -> None:
    formula = f'{begin}HYPERLINK("http://h/","x")'
    with hostile.engine.begin() as connection:
        for table, column in (("jobs", "prompt"), ("jobs", "card"), ("attempts", "card")):
            connection.execute(text(f"UPDATE {table} SET {column} = :text"), {"text": formula})
        connection.execute(text("UPDATE jobs SET jitter = -1.5"))
    for words in (("history",), ("history", "--csv"), ("history", "stats")):
        _, *rows = csv.reader(io.StringIO(hymo_(*words, "--safe-csv").stdout))
        cells = [cell for row in rows for cell in row]
        assert any("HYPERLINK" in cell for cell in cells), words
        # Numbers are numbers: they stay what they are.
        texts = [cell for cell in cells if not cell.startswith("-1.5")]
        assert not [cell for cell in texts if cell.startswith(tuple("=+-@\t\r\n"))]
    # Without the flag a program gets the text as it is stored, but for what controls a terminal.
    assert "'" not in hymo_("history", "--csv", "--fields", "prompt").stdout
    assert "\r" not in hymo_("history", "--csv", "--fields", "prompt").stdout


def test_a_run_and_its_summary(shell: Shell, tmp_path: Path, files: dict[str, str]) -> None:
    done = shell.run("run", files["good"])
    assert done.returncode == 0, done
    assert not _unsafe(done.stdout + done.stderr), done
    assert r"\u202egnp" in done.stderr


def test_the_bar_of_a_terminal(hostile: Store, sqlite_url: str, tmp_path: Path) -> None:
    """A batch's name and the reason why it waits are neither markup nor a template."""
    ours, theirs = pty.openpty()
    command = ("watch", f"night{HOSTILE}", "--timeout", "0")
    environ = {**os.environ, "HYMO_HOME": str(tmp_path / "home"), "HYMO_DATABASE_URL": sqlite_url}
    wide = {"COLUMNS": "300"}  # so that neither the name nor the reason is cut
    done = subprocess.run(
        [sys.executable, "-m", "jobs", *command],
        env=environ | wide, stdout=subprocess.PIPE, stderr=theirs, text=True, check=False,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the end, once nobody has the terminal open
        while block := os.read(ours, 4096):
            shown += block
    os.close(ours)
    assert done.returncode == 6, (done, shown)
    text = shown.decode()
    assert r"gnp\u200f\u2066[red]{0}" in text
    assert not {"\x07", "\x9b", "\x85", "\u202e", "\u200f", "\u2066"} & set(text)
    assert "\x1b]" not in text


def test_the_failures_of_a_run(hostile: Store, capsys: pytest.CaptureFixture[str]) -> None:
    batch = hostile.batches.get(f"night{HOSTILE}")
    snapshot = BatchProgress(store=hostile, batch=batch, alive=60.0).snapshot()
    print_summary(hostile, batch, snapshot, 1.0, (HOSTILE,))
    printed = capsys.readouterr().out
    assert r"failed    job 4 (fall\x1b]0;x" in printed
    assert r"not finite\x1b]0;x" in printed
    assert not _unsafe(printed)


def test_a_log_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        log_to_stderr(Settings.read({"HYMO_HOME": "/nonexistent"}))
        try:
            int(f"first\nsecond {HOSTILE}")
        except ValueError:
            logging.getLogger("worker").exception("job %s\nforged", HOSTILE)
    finally:
        root.handlers[:], root.level = before
    logged = capsys.readouterr().err
    assert not _unsafe(logged)
    assert "⏎forged" in logged.splitlines()[0]
    assert "Traceback" in logged.splitlines()[1]
