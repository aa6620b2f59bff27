"""Submitting with a rewriter that answers, fails, is slow or disconnects."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobs.cli.main import hymo
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import read_row
from jobs.rewriting import asker
from jobs.rewriting.rewriting import open_rewriting
from jobs.rewriting.wish import Wish
from jobs.settings import Settings
from tests.waiting import HUNG, until

KEY = "sk-very-secret"
#: The repository's root, for processes in other folders.
ROOT = Path(__file__).parents[3]
Submit = Callable[..., Result]


@pytest.fixture
def environ(rewriter, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a user with a temporary home and the test's rewriter."""
    return {
        "HYMO_HOME": str(tmp_path / "home"),
        "HYMO_REWRITER_URL": rewriter.url,
        "HYMO_REWRITER_KEY": KEY,
        "HYMO_REWRITER_MODEL": "m",
        "HYMO_REWRITER_TIMEOUT": str(10 * HUNG),  # who waits for an answer hangs
    }


@pytest.fixture
def call(environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Submit:
    """Runs `hymo` in a temporary folder, with immediate retries; no output contains the key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(asker, "exponential", lambda first: lambda attempt: 0.001)
    for name in ("HYMO_DATABASE_URL", "HYMO_BROKER_URL", "HYMO_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def make(*args: str) -> Result:
        done = CliRunner().invoke(hymo, list(args))
        assert KEY not in done.output
        return done

    return make


PROGRAM = "from jobs.cli.main import main; main()"
PATIENT = f"from jobs.rewriting import refusal; refusal.PATIENCE = {20 * HUNG}"


@pytest.fixture
def start(environ, tmp_path: Path, start_process) -> Callable[..., subprocess.Popen[str]]:
    """Starts `hymo` in a folder of its own as a process of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}

    def make(*words: str, program: str = PROGRAM) -> subprocess.Popen[str]:
        return start_process(
            [sys.executable, "-c", program, *words],
            env={**kept, **environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return make


@pytest.fixture
def submit(call: Submit) -> Submit:
    return lambda *args: call("submit", *args)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """The jobs of the home's database, by id."""

    def read(batch: str = "prompts") -> list[dict[str, Any]]:
        connection = sqlite3.connect(tmp_path / "home" / "hymo.db")
        connection.row_factory = sqlite3.Row
        query = (
            "SELECT jobs.* FROM jobs JOIN batches ON batches.id = batch_id "
            "WHERE batches.name = ? ORDER BY jobs.id"
        )
        found = [dict(row) for row in connection.execute(query, (batch,))]
        connection.close()
        return found

    return read


def write(*prompts: str, name: str = "prompts.csv") -> str:
    Path(name).write_text("prompt,id\n" + "".join(f"{p},r{n}\n" for n, p in enumerate(prompts)))
    return name


def test_both_texts_are_stored_and_a_resubmit_costs_no_call(submit, stored, rewriter) -> None:
    first = submit(write("walks", "jumps", "walks"), "--rewrite", "--estimate-duration")
    assert first.exit_code == 0, first.stderr
    assert "note: rewriter: 3 rewritten (2 prompts asked)" in first.stderr
    assert rewriter.prompts == {"walks": 1, "jumps": 1}
    assert Path("home/rewrites/answers.db").is_file()
    assert rewriter.calls[0].document["model"] == "m"
    assert rewriter.calls[0].headers["authorization"] == f"Bearer {KEY}"
    walks, jumps, again = stored()
    assert (walks["prompt"], walks["original_prompt"]) == ("A person walks.", "walks")
    assert (walks["rewrite"], walks["frames"]) == ("rewritten", 60)
    assert walks["content_hash"] == again["content_hash"] != jumps["content_hash"]

    second = submit("prompts.csv", "--rewrite", "--estimate-duration", "--json")
    document = json.loads(second.stdout)
    assert (document["new"], document["existing"], document["changed"]) == (0, 3, 0)
    assert document["rewrite"] == {
        "asked": 0, "rows": {"rewritten": 3}, "reasons": {}, "stopped": None,
    }  # fmt: skip
    assert len(rewriter.calls) == 2
    other = json.loads(submit("prompts.csv", "--rewrite", "--json").stdout)
    assert (other["existing"], other["changed"]) == (0, 3), "another wish is another row"
    plain = json.loads(submit("prompts.csv", "--json").stdout)
    assert (plain["changed"], plain["rewrite"]) == (3, None)


def test_history_show_and_fields_tell_both(call, submit) -> None:
    submit(write("walks"), "--rewrite")
    (job,) = json.loads(call("history", "--json").stdout)["jobs"]
    assert (job["prompt"], job["original_prompt"]) == ("A person walks.", "walks")
    assert job["rewrite"] == "rewritten"
    table = call("history", "--csv", "--fields", "original_prompt,rewrite").stdout
    assert table.splitlines() == ["original_prompt,rewrite", "walks,rewritten"]
    shown = call("show", "1").stdout.splitlines()
    assert [line.split() for line in shown if "row said" in line or "rewrite" in line] == [
        ["row", "said", "walks"],
        ["rewrite", "rewritten"],
    ]


def test_rows_keep_their_own_length_and_options_work_alone(submit, stored, rewriter) -> None:
    Path("prompts.csv").write_text("prompt,frames,seconds\nwalks,,\njumps,90,\nhops,,1\n")
    assert submit("prompts.csv", "--estimate-duration").exit_code == 0
    assert [(job["prompt"], job["frames"]) for job in stored()] == [
        ("walks", 60), ("jumps", 90), ("hops", 30),
    ]  # fmt: skip
    assert rewriter.prompts == {"walks": 1}
    assert [job["rewrite"] for job in stored()] == ["rewritten", None, None]


def test_a_failed_prompt_is_submitted_as_it_is_and_named(submit, stored, rewriter) -> None:
    def behave(call) -> None:
        if call.prompt == "jumps":
            call.send(400, b'{"error": {"message": "unsafe"}}')
        else:
            call.say({"prompt": "A person walks.", "seconds": 99})

    rewriter.behave = behave
    done = submit(write("walks", "jumps", "A person walks."), "--rewrite", "--estimate-duration")
    assert done.exit_code == 0
    assert "rewriter: 1 failed, 2 own length (3 prompts asked)" in done.stderr
    assert (
        "warning: 3 rows did not get what was asked for: an estimate of 99 s is out of range "
        "(0.67 to 12 s) (2 rows); HTTP 400: unsafe (1 row)"
    ) in done.stderr
    walks, jumps, same = stored()
    assert walks["rewrite"].startswith("own_length: an estimate of 99 s")
    assert (jumps["prompt"], jumps["original_prompt"]) == ("jumps", None)
    assert (jumps["rewrite"], jumps["state"]) == ("failed: HTTP 400: unsafe", "queued")
    assert (same["original_prompt"], same["frames"]) == (None, 100)
    assert rewriter.prompts["jumps"] == 1


def test_required_rewrites_that_fail_are_rows_that_are_wrong(submit, stored, rewriter) -> None:
    def behave(call) -> None:
        if call.prompt == "jumps":
            call.say("I would rather not.")
        else:
            call.say({"prompt": f"A person {call.prompt}."})

    rewriter.behave = behave
    path = write("walks", "jumps")
    done = submit(path, "--rewrite", "--require-rewrite")
    assert (done.exit_code, done.stdout) == (2, "")
    reason = "could not be rewritten: the model's answer contains no JSON object"
    assert f"prompts.csv:3: prompt: {reason}" in done.stderr
    assert not Path("home/hymo.db").exists() or stored() == []
    done = submit(path, "--rewrite", "--require-rewrite", "--skip-invalid")
    assert done.exit_code == 0
    assert [job["prompt"] for job in stored()] == ["A person walks."]
    left = Path("prompts.invalid.csv").read_text().splitlines()
    assert left[1].startswith("jumps,r1,3,")
    assert reason in left[1]


def test_a_file_with_bad_rows_costs_no_call(submit, rewriter) -> None:
    assert submit(write("walks", ""), "--rewrite").exit_code == 2
    assert not rewriter.calls


def test_a_dry_run_asks_nothing_and_plans_with_what_is_kept(submit, rewriter) -> None:
    submit(write("walks"), "--rewrite", "--estimate-duration")
    write("walks", "jumps")
    plan = submit("prompts.csv", "--rewrite", "--estimate-duration", "--dry-run", "--json")
    document = json.loads(plan.stdout)
    assert document["rewrite"]["rows"] == {"rewritten": 1, "unasked": 1}
    assert document["classes"][0]["frames"] == [60, 100]
    assert len(rewriter.calls) == 1
    said = submit("prompts.csv", "--rewrite", "--dry-run").stderr
    assert "note: rewriter: 2 unasked (0 prompts asked)" in said
    write("walks", "")
    done = submit("prompts.csv", "--rewrite", "--dry-run", "--skip-invalid")
    assert (done.exit_code, Path("prompts.invalid.csv").exists()) == (0, False)


def test_what_passes_is_tried_again(submit, stored, rewriter) -> None:
    ways = [
        lambda call: call.send(500, b"oops"),
        lambda call: call.send(429, b"", Retry_After="0"),
        lambda call: call.drop(),
    ]
    left = {"walks": list(ways), "jumps": list(ways)}

    def behave(call) -> None:
        if left[call.prompt]:
            left[call.prompt].pop(0)(call)
        else:
            call.say({"prompt": f"A person {call.prompt}."})

    rewriter.behave = behave
    assert submit(write("walks", "jumps"), "--rewrite", "--require-rewrite").exit_code == 0
    assert [job["prompt"] for job in stored()] == ["A person walks.", "A person jumps."]
    assert rewriter.prompts == {"walks": 4, "jumps": 4}


@pytest.mark.parametrize(
    ("behave", "reason", "tries"),
    [
        (lambda call: call.send(200, b"<html>log in</html>"), "the reply is not JSON", 2),
        (lambda call: call.say({"text": "A person."}), 'the answer has no text in "prompt"', 2),
        (lambda call: call.send(302, b"", Location="http://evil.example/"), "to evil.example", 1),
        (lambda call: call.send(401, KEY.encode()), "HTTP 401: the key is refused", 1),
        (lambda call: call.send(503, b"", Retry_After="3600"), "asks to wait for 3600 s", 1),
        (lambda call: call.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "broke", 4),
    ],
    ids=["html", "schema", "redirect", "key", "patience", "truncated"],
)
def test_a_rewriter_that_misbehaves_costs_no_job(
    submit, stored, rewriter, behave, reason: str, tries: int
) -> None:
    rewriter.behave = behave
    done = submit(write("walks"), "--rewrite")
    assert done.exit_code == 0
    assert reason in done.stderr
    (job,) = stored()
    assert job["prompt"] == "walks"
    assert reason in job["rewrite"]
    assert len(rewriter.calls) == tries


def test_a_rewriter_that_is_slow_costs_no_job(submit, stored, rewriter, monkeypatch) -> None:
    # Kept from before: on a busy machine every answer may be too late.
    assert submit(write("jumps"), "--rewrite", "--batch", "before").exit_code == 0
    rewriter.behave = lambda call: rewriter.released.wait(HUNG)
    monkeypatch.setenv("HYMO_REWRITER_TIMEOUT", "0.25")
    assert submit(write("walks", "jumps"), "--rewrite", "--batch", "prompts").exit_code == 0
    assert [job["prompt"] for job in stored()] == ["walks", "A person jumps."]
    assert stored()[0]["rewrite"] == "failed: no answer within 0.25 s"
    until(lambda: rewriter.prompts["walks"] == 4, "the server has seen every try")


def test_a_rewriter_that_is_away_is_given_up_once(submit, stored, rewriter, monkeypatch) -> None:
    monkeypatch.setenv("HYMO_REWRITER_CONCURRENCY", "2")
    rewriter.behave = lambda call: call.drop()
    done = submit(write(*(f"p{n}" for n in range(300))), "--rewrite")
    assert done.exit_code == 0
    assert done.stderr.count("the rewriter is not asked any further: the connection broke") == 1
    assert len(stored()) == 300
    assert all(job["rewrite"].startswith("failed: ") for job in stored())
    assert len(rewriter.prompts) <= 9
    strict = submit("prompts.csv", "--rewrite", "--require-rewrite", "--batch", "b")
    assert strict.exit_code == 2
    assert "300 problems in prompts.csv, nothing was submitted" in strict.stderr


def test_without_a_service_the_setting_is_named(submit, monkeypatch) -> None:
    path = write("walks")
    monkeypatch.delenv("HYMO_REWRITER_MODEL")
    done = submit(path, "--rewrite")
    assert (done.exit_code, "HYMO_REWRITER_MODEL: is not set" in done.stderr) == (2, True)
    monkeypatch.delenv("HYMO_REWRITER_URL")
    done = submit(path, "--estimate-duration")
    assert (done.exit_code, "HYMO_REWRITER_URL: is not set" in done.stderr) == (2, True)
    done = submit(path, "--require-rewrite")
    assert (done.exit_code, "needs --rewrite or --estimate-duration" in done.stderr) == (2, True)
    assert submit(path).exit_code == 0


def test_500_prompts_are_asked_eight_at_a_time(submit, stored, rewriter) -> None:
    together = threading.Barrier(8, timeout=HUNG)

    def behave(call) -> None:
        number = int(call.prompt[1:])
        if number < 8:
            together.wait()
        call.say({"prompt": f"A person {call.prompt}.", "seconds": (20 + number % 341) / 30})

    rewriter.behave = behave
    done = submit(write(*(f"p{n}" for n in range(500))), "--rewrite", "--estimate-duration")
    assert done.exit_code == 0, done.stderr
    assert "500 rewritten (500 prompts asked)" in done.stderr
    assert rewriter.most == 8
    assert max(rewriter.prompts.values()) == 1
    assert [job["prompt"] for job in stored()] == [f"A person p{n}." for n in range(500)]
    assert [job["frames"] for job in stored()] == [20 + n % 341 for n in range(500)]


def test_two_submits_at_once_store_the_same_words(start, tmp_path, stored, rewriter) -> None:
    numbers = iter(range(10_000))
    rewriter.behave = lambda call: call.say({"prompt": f"{call.prompt} {next(numbers)}"})
    (tmp_path / "p.csv").write_text("prompt\n" + "".join(f"p{n}\n" for n in range(60)))
    both = [start("submit", "p.csv", "--rewrite", "--batch", b) for b in "ab"]
    for process in both:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        assert "answers cannot be cached" not in err
    first, second = ([job["prompt"] for job in stored(batch)] for batch in "ab")
    assert first == second


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_what_was_answered_is_kept_when_a_submit_is_ended(
    start, tmp_path, stored, rewriter, end: signal.Signals
) -> None:
    def behave(call) -> None:
        if int(call.prompt[1:]) >= 30:
            rewriter.released.wait(HUNG)
        call.say({"prompt": f"A person {call.prompt}."})

    rewriter.behave = behave
    (tmp_path / "prompts.csv").write_text("prompt\n" + "".join(f"p{n}\n" for n in range(100)))
    process = start("submit", "prompts.csv", "--rewrite")
    until(lambda: len(rewriter.calls) >= 38, "all but the last are answered or asked")
    process.send_signal(end)
    # It does not wait for the answers: they come no earlier than it has ended.
    out, err = process.communicate()
    assert process.returncode == (130 if end == signal.SIGINT else -signal.SIGKILL), err
    assert "Traceback" not in err
    assert KEY not in out + err
    assert not (tmp_path / "home" / "hymo.db").exists() or stored() == []

    rewriter.released.set()
    again = start("submit", "prompts.csv", "--rewrite")
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert "100 rewritten (70 prompts asked)" in err
    assert all(rewriter.prompts[f"p{n}"] == 1 for n in range(30))
    assert len(stored()) == 100


def test_what_is_read_no_further_is_asked_no_further(environ, rewriter) -> None:
    second = threading.Event()

    def behave(call) -> None:
        if call.prompt == "jumps":
            second.set()
            rewriter.released.wait(HUNG)
        call.say({"prompt": f"A person {call.prompt}."})

    rewriter.behave = behave
    given = [read_row(RawRow(1, 2, {"prompt": each}), Defaults()) for each in ("walks", "jumps")]
    with open_rewriting(Settings.read(environ), Wish(text=True)) as rewriting:
        row = next(rewriting.rows(given))
        assert second.wait(HUNG)
    # It does not wait for the answer, which comes when the server is released.
    assert row.spec.prompt == "A person walks."
    assert not rewriter.released.is_set()


def test_ctrl_c_does_not_wait_for_a_service_that_asks_for_patience(
    start, tmp_path, rewriter
) -> None:
    # For so long that whoever does wait hangs.
    rewriter.behave = lambda call: call.send(429, b"", Retry_After=f"{10 * HUNG:.0f}")
    (tmp_path / "prompts.csv").write_text("prompt\nwalks\njumps\n")
    process = start("submit", "prompts.csv", "--rewrite", program=f"{PATIENT}; {PROGRAM}")
    until(lambda: len(rewriter.calls) >= 2, "both are asked")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert (process.returncode, len(rewriter.calls)) == (130, 2), err
