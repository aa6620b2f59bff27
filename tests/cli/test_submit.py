"""`hymo submit`: output for people and programs."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from tests.cli.calling import Hymo


@pytest.fixture
def submit(hymo_: Hymo) -> Hymo:
    return partial(hymo_, "submit")


def write(content: str | bytes, name: str = "prompts.csv") -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def test_the_summary_is_on_stdout_and_the_notes_on_stderr(submit: Hymo) -> None:
    done = submit(write("prompt,id,scene\nwalks,a,x\njumps,b,y\n"))
    assert done.exit_code == 0
    output = Path("home/output/prompts").absolute()
    assert done.stdout.splitlines() == [
        "batch prompts: 2 new, 0 existing, 0 changed, 0 cached",
        "auto chose lite for 2 jobs",
        f"files go to {output}",
    ]
    assert "kept as metadata: scene" in done.stderr
    assert "2 jobs: no worker fits: needs 1 GiB lite; no worker is live" in done.stderr
    assert "the jobs wait for `hymo up`" in done.stderr
    assert "tiny" not in done.stderr, "a model that makes motions needs no apology"
    of_tests = submit("prompts.csv", "--model", "null", "--batch", "c").stderr
    assert "model null is an engine for tests" in of_tests
    assert "no worker is live yet, so auto became lite; start `hymo up` first" in done.stderr
    again = submit("prompts.csv")
    assert again.stdout.splitlines()[0] == "batch prompts: 0 new, 2 existing, 0 changed, 0 cached"
    assert "no worker" not in again.stderr
    assert "auto became" in submit("prompts.csv", "--dry-run").stderr
    assert "auto became" not in submit("prompts.csv", "--mode", "lite", "--batch", "b").stderr


def test_json_is_exactly_its_schema(submit: Hymo) -> None:
    write("prompt,frames\nwalks,60\njumps,1\n")
    done = submit("prompts.csv", "--json", "--skip-invalid", "--batch", "night")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "schema": "hymo.submit/1", "batch": "night", "new": 1, "existing": 0, "changed": 0,
        "cached": 0, "invalid": 1, "requeued": 0, "updated": 0, "reprioritised": 0, "respelt": 0,
        "unfamiliar": [], "recognised": [], "rewrite": None,
    }  # fmt: skip
    assert done.stdout.count("\n") == 1


UNFAMILIAR = """prompt,seeds,model
a person juggles three balls,,
she is juggling and salutes,3,
a person walks forward on hands and knees,,
une personne marche vers la gauche,,
a person juggles,,null
"""


def test_what_the_model_has_never_seen_is_said_once(submit: Hymo) -> None:
    write(UNFAMILIAR)
    verbs = "note: model tiny has never seen 2 verbs of this file and will guess: "
    notes = [
        f"{verbs}juggles (rows 1, 2), salutes (row 2)",
        "note: model tiny knows only English and will guess at 1 prompt: row 4",
    ]
    for option in ("--dry-run", "--no-cache"):
        done = submit("prompts.csv", option)
        assert [line for line in done.stderr.splitlines() if "model tiny" in line] == notes
    found = {
        "model": "tiny",
        "verbs": [
            {"verb": "juggles", "count": 2, "rows": [1, 2]},
            {"verb": "salutes", "count": 1, "rows": [2]},
        ],
        "not_english": {"count": 1, "rows": [4]},
    }
    for option in ("--dry-run", "--no-cache"):
        assert json.loads(submit("prompts.csv", option, "--json").stdout)["unfamiliar"] == [found]


def test_models_without_a_list_are_not_doubted(submit: Hymo) -> None:
    write("prompt\na person juggles\nune personne marche vers la gauche\n")
    done = submit("prompts.csv", "--dry-run", "--model", "null")
    assert done.exit_code == 0
    assert "never seen" not in done.stderr
    assert "English" not in done.stderr


def test_weights_that_are_nowhere_are_an_error_before_anything_is_committed(
    submit: Hymo,
) -> None:
    write("prompt\nwalks\n")
    for option in ("--dry-run", "--no-cache"):
        done = submit("prompts.csv", option, "--model", "hy-motion-1.0")
        assert (done.exit_code, done.stdout) == (3, "")
        assert "hymo models import --full DIR --lite DIR" in done.stderr
    with closing(sqlite3.connect("hymo.db")) as database:
        assert database.execute("SELECT count(*) FROM batches").fetchone() == (0,)


def test_a_long_list_of_verbs_is_cut(submit: Hymo) -> None:
    unseen = ("juggles", "salutes", "swims", "rows", "knits", "sneezes", "coughs", "yodels", "skis",
              "paddles")  # fmt: skip
    write("prompt\n" + "".join(f"a person {verb}\n" for verb in (*unseen, *["she skis"] * 4)))
    done = submit("prompts.csv", "--dry-run")
    (line,) = [line for line in done.stderr.splitlines() if "never seen" in line]
    assert "never seen 10 verbs" in line
    assert "skis (rows 9, 11, 12, …)" in line
    assert line.endswith(" and 2 more")


def test_problems_are_listed_with_file_line_column_and_mend(submit: Hymo) -> None:
    done = submit(write("prompt,frames,mode\nwalks,999,full\n,60,huge\n"))
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "hymo: 3 problems in prompts.csv, nothing was submitted:",
        "prompts.csv:2: frames: '999' is out of range; use 20 to 360",
        "prompts.csv:3: prompt: is missing; say what the motion should show",
        "prompts.csv:3: mode: 'huge' is unknown; use full, lite, auto",
    ]
    assert "0 new" not in done.output


def test_the_defaults_fill_what_rows_lack(submit: Hymo) -> None:
    write("prompt,frames\nwalks,\njumps,50\n")
    options = ["--mode", "FULL", "--frames", "40", "--seeds", "2", "--steps", "7", "--guidance",
               "2.5", "--priority", "-3", "--formats", "bvh,npz", "--model", "null"]  # fmt: skip
    done = submit("prompts.csv", "--dry-run", "--json", *options)
    assert done.exit_code == 0
    plan = json.loads(done.stdout)
    assert (plan["schema"], plan["rows"], plan["jobs"]) == ("hymo.plan/1", 2, 4)
    (each,) = plan["classes"]
    assert (each["model"], each["jobs"], each["frames"]) == ("null", 4, [40, 50])
    assert (each["queue"].split(".")[1], each["workers"]) == ("full", [])
    assert submit("prompts.csv", *options).exit_code == 0


@pytest.mark.parametrize(
    "option",
    [("--mode", "huge"), ("--frames", "10"), ("--frames", "1e2"), ("--seeds", "0"),
     ("--guidance", "nan"), ("--guidance", "-1"), ("--priority", "5000"), ("--formats", "gif"),
     ("--formats", ""), ("--model", "none"), ("--format", "xlsx"), ("--batch", "../x")],
)  # fmt: skip
def test_options_out_of_range_are_usage_errors(submit: Hymo, option: tuple[str, str]) -> None:
    done = submit(write("prompt\nwalks\n"), *option)
    assert done.exit_code == 2
    assert option[0] in done.stderr


def test_a_dry_run_shows_classes_and_leaves_nothing(submit: Hymo) -> None:
    write("prompt,mode,model\nwalks,full,null\njumps,,tiny\nhops,,tiny\n")
    done = submit("prompts.csv", "--dry-run")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "batch prompts would be 3 jobs of 3 rows"
    assert lines[1].split() == ["QUEUE", "MODEL", "JOBS", "FRAMES", "WORKERS"]
    assert any(line.split()[:3] == ["hymo.full.24", "null", "1"] for line in lines)
    assert any(line.split()[:3] == ["hymo.lite.1", "tiny", "2"] for line in lines)
    assert lines[-1] == "auto would choose lite for 2 jobs"
    assert submit("prompts.csv").stdout.startswith("batch prompts: 3 new,")


def test_standard_input(submit: Hymo) -> None:
    done = submit("-", input="prompt\nwalks\n")
    first = re.match(r"batch (stdin-[0-9a-f]{8}): 1 new,", done.stdout)
    assert first, done.stdout
    # Another input is another batch; the same input again is the same one.
    done = submit("-", input="prompt\njumps\n")
    assert re.match(r"batch stdin-[0-9a-f]{8}: 1 new, 0 existing, 0 changed", done.stdout)
    done = submit("-", input="prompt\nwalks\n")
    assert done.stdout.startswith(f"batch {first[1]}: 0 new, 1 existing")
    assert "was first made from" not in done.stderr
    done = submit("-", "--format", "jsonl", "--batch", "piped", input='{"prompt": "walks"}\n{}\n')
    assert done.exit_code == 2
    assert "stdin:2: prompt: is missing" in done.stderr
    done = submit("-", "--format", "txt", "--skip-invalid", input="walks#60#a\njumps#1\n")
    assert done.exit_code == 0
    assert len(list(Path.cwd().glob("stdin-*.invalid.csv"))) == 1


def test_skipped_rows_are_shown_with_the_command_that_adds_them(submit: Hymo) -> None:
    Path("my files").mkdir()
    name = write("prompt,frames\nwalks,60\njumps,1\n", "my files/prompts.csv")
    done = submit(name, "--skip-invalid")
    assert done.stdout.startswith(
        "batch prompts: 1 new, 0 existing, 0 changed, 0 cached, 1 invalid row"
    )
    command = next(line for line in done.stderr.splitlines() if "hymo submit" in line)
    path = Path("my files/prompts.invalid.csv").absolute()
    assert command.strip() == f"hymo submit '{path}' --batch prompts"


def test_changed_rows_come_with_the_mend(submit: Hymo) -> None:
    submit(write("prompt,id\nwalks,a\nsits,b\n"))
    write("prompt,id\njumps,a\nsits,b\nhops,c\n")
    done = submit("prompts.csv")
    assert done.exit_code == 1
    assert "1 new, 1 existing, 1 changed" in done.stdout
    assert "(a seed 0)" in done.stderr
    assert "--update" in done.stderr.splitlines()[-1], "the last thing to be seen"
    done = submit("prompts.csv", "--update", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout).items() >= {"updated": 1, "changed": 0, "existing": 2}.items()
    assert submit("prompts.csv").exit_code == 0


def test_another_file_of_the_same_name_is_refused_with_the_mend(submit: Hymo) -> None:
    submit(write("prompt,id\nwalks,a\n"))
    Path("other").mkdir()
    done = submit(write("prompt,id\nwalks,a\nhops,b\n", "other/prompts.csv"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"made from {Path('prompts.csv').absolute()}" in done.stderr
    assert "--batch NAME" in done.stderr
    # A copy of the file is not another one.
    done = submit(write("prompt,id\nwalks,a\n", "other/prompts.csv"))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        0, "batch prompts: 0 new, 1 existing, 0 changed, 0 cached"
    )  # fmt: skip
    assert f"was first made from {Path('prompts.csv').absolute()}" in done.stderr
    # A batch that was named explicitly is added to without a note.
    done = submit(write("prompt,id\nhops,b\n", "more.csv"), "--batch", "prompts")
    assert done.stdout.startswith("batch prompts: 1 new")
    assert "was first made from" not in done.stderr


def test_a_mark_that_is_laid_again_is_said(submit: Hymo, hymo_: Hymo) -> None:
    """A deleted folder and a share that is not mounted look alike."""
    assert "mark" not in submit(write("prompt\nwalks\n")).stderr
    folder = Path("home/output/prompts").absolute()
    told = f"note: {folder} had no mark of batch prompts and has one now"
    for words in (("retry", "--batch", "prompts"), ("retry", "1"), ("submit", "prompts.csv")):
        assert told not in hymo_(*words).stderr
        shutil.rmtree(folder)
        done = hymo_(*words)
        assert (done.exit_code, done.stderr.count(told)) == (0, 1), done.stderr
    shutil.rmtree(folder)
    folder.write_text("in the way")
    assert f"warning: {folder} is not a folder; the jobs wait" in hymo_("retry", "1").stderr


def test_the_batch_that_goes_on_is_said(submit: Hymo) -> None:
    write("prompt\nwalks\n")
    assert "made from this file" not in submit("prompts.csv", "--batch", "one").stderr
    done = submit("prompts.csv")
    assert done.stdout.startswith("batch one: 0 new, 1 existing")
    assert "note: batch one was made from this file and goes on" in done.stderr
    submit("prompts.csv", "--batch", "two")
    done = submit("prompts.csv")
    assert "note: batch two was made from this file (so was one) and goes on" in done.stderr
    assert "batch two would be 1 job" in submit("prompts.csv", "--dry-run").stdout


def test_rows_left_out_for_their_spelling_are_named(submit: Hymo) -> None:
    submit(write("prompt,id\nwalks,Wave\n"))
    done = submit(write("prompt,id,seed\nwalks,Wave,0\nhops,wave,1\n"))
    assert done.exit_code == 1
    assert done.stdout.startswith("batch prompts: 0 new, 1 existing, 0 changed, 0 cached, 1 left")
    assert "prompts.csv:3: id: 'wave' is to some file systems the same as 'Wave'" in done.stderr


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_pipe_is_named_by_its_content(submit: Hymo) -> None:
    names = []
    for content in (b"prompt\nwalks\n", b"prompt\njumps\n", b"prompt\nwalks\n"):
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        done = submit(f"/dev/fd/{reader}", "--json")
        os.close(reader)
        assert done.exit_code == 0, done.stderr
        names.append(json.loads(done.stdout)["batch"])
    assert names[0] == names[2] != names[1]
    assert names[0] == f"stdin-{hashlib.sha256(content).hexdigest()[:8]}"
    # The same text by standard input is the same batch.
    done = submit("-", "--json", input=b"prompt\nwalks\n")
    assert json.loads(done.stdout).items() >= {"batch": names[0], "existing": 1}.items()


def test_output_is_the_batchs_own_folder_for_good(submit: Hymo) -> None:
    write("prompt\nwalks\n")
    done = submit("prompts.csv", "--output", "motions")
    assert f"files go to {Path('motions/prompts').absolute()}" in done.stdout
    done = submit("prompts.csv")
    assert "keeps its output folder" in done.stderr


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["none.csv"], "No such file"),
        (["."], "none"),
        (["prompts.dat"], "--format"),
        (["prompts.xlsx"], "as CSV"),
    ],
)
def test_files_that_cannot_be_read(submit: Hymo, args: list[str], what: str) -> None:
    write("x", "prompts.xlsx")
    write("x", "prompts.dat")
    done = submit(*args)
    assert done.exit_code == 2
    assert what == "none" or what in done.stderr
    assert "Traceback" not in done.stderr


def huge() -> str:
    """A file of two million jobs."""
    return write("prompt,seeds\n" + "walks,10000\n" * 200, "huge.csv")


def test_very_many_new_jobs_want_yes_off_a_terminal(submit: Hymo) -> None:
    for words in ((), ("--json",)):
        done = submit(huge(), *words)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "batch huge would get 2000000 new jobs, nothing was submitted" in done.stderr
        assert "--yes" in done.stderr
    assert not Path("home/output").exists()
    dry = submit("huge.csv", "--dry-run")
    assert dry.exit_code == 0
    assert dry.stdout.startswith("batch huge would be 2000000 jobs of 200 rows\n")
    assert "more than 100000 new jobs: submit asks for confirmation, or takes --yes" in dry.stderr
    assert json.loads(submit("huge.csv", "--dry-run", "--json").stdout)["new"] == 2_000_000


def test_the_setting_refuses_what_is_confirmed_too(
    submit: Hymo, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("home").mkdir(exist_ok=True)
    Path("home/config.toml").write_text("max_jobs = 2\n")
    write("prompt,seeds\nwalks,3\n")
    done = submit("prompts.csv", "--yes")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "HYMO_MAX_JOBS='2': batch prompts would get 3 new jobs" in done.stderr
    assert "submit refuses more than HYMO_MAX_JOBS=2" in submit("prompts.csv", "--dry-run").stderr
    monkeypatch.setenv("HYMO_MAX_JOBS", "3")
    assert submit("prompts.csv").exit_code == 0
    dry = submit(write("prompt,seeds\nwalks,4\n"), "--dry-run")
    assert dry.stdout.startswith("batch prompts would be 4 jobs of 1 row, 1 of them new\n")


@pytest.mark.parametrize(("answer", "submits"), [("\n", False), ("y\n", True)])
def test_a_terminal_is_asked_before_very_many_new_jobs(
    hymo_: Hymo, answer: str, submits: bool
) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "jobs", "submit", huge()]
    running = subprocess.Popen(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, start_new_session=True
    )
    os.close(theirs)
    shown = ""
    try:
        while "[y/N]" not in shown:
            shown += os.read(ours, 4096).decode()
        assert "huge.csv makes 2000000 new jobs; submit them?" in shown
        os.write(ours, answer.encode())
        with suppress(OSError):  # the end, once nobody has the terminal open
            while "submitting: " not in shown and (block := os.read(ours, 4096)):
                shown += block.decode()
        assert ("submitting: " in shown) == submits
        if not submits:
            assert running.wait() == 2
            assert "nothing was submitted" in shown
    finally:
        running.kill()
        running.wait()
        os.close(ours)
