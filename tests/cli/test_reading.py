"""The commands that inspect and control jobs, on a filled database."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.domain.attempts import Claim, Failed, MotionQuality, Success, Timings
from jobs.domain.batches import Artifact, NewJob
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.states import Failure, State
from jobs.monitoring import distance
from jobs.monitoring.distance import MotionDistance
from jobs.store.store import Store
from tests.cli.calling import Hymo
from tests.cli.rows import new_job, worker_card

pytestmark = pytest.mark.usefixtures("store")

ROWS = ("wave", "jump", "fall", "sit", "spin", "步行")
ERROR = "CUDA out of memory\n" + "\n".join(f"  frame {n}" for n in range(40)) + "\nthe end"


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """One batch: two succeeded, one failed, one running, the others queued."""
    with Store.open(sqlite_url) as opened:
        batch = opened.batches.ensure("night", source="night.csv", output="/out")
        opened.batches.insert(batch, [_new(name) for name in ROWS], attempt_limit=1)
        offer = Offer("w1", ("full",), ("null",), 24 * GIB)
        card = worker_card(
            offer, device="cuda:0", card="NVIDIA A100-SXM4-40GB", nvlink=True,
            queues=("hymo.full.24",), tags={"numa": 1},
        )  # fmt: skip
        worker = opened.workers.register(card)
        claims = opened.claims.claim(worker, offer, job_id=None, limit=3, lease=1000)
        opened.completion.succeed([_success(claim) for claim in claims[:2]], publish=lambda _: None)
        opened.completion.fail(
            [Failed(claims[2], Failure.OUT_OF_MEMORY, ERROR, Timings(sample=1.0))],
            backoff=lambda _: 0.0,
        )
        opened.claims.begin(opened.claims.claim(worker, offer, job_id=None, limit=1, lease=1000))
        yield opened


def _new(name: str) -> NewJob:
    row = name if name.isascii() else "walk"
    return new_job(row, prompt=f"a person: {name}", metadata={"actor": "anna"})


def _success(claim: Claim) -> Success:
    file = Artifact("npz", f"/out/night/{claim.custom_id}_s0.npz", 14_200, "ab" * 32)
    quality = MotionQuality(
        skate_mm=1.5 * claim.job_id, penetration_mm=0.25, jitter=1000.0 / claim.job_id
    )
    return Success(claim, Timings(1.0, 2.0, 3.0, 4.0, 5.0), 22_000_000_000, (file,), quality)


def test_history_is_a_table_newest_first(hymo_: Hymo) -> None:
    done = hymo_("history", "--batch", "night")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "6", "5", "4", "3", "2", "1"]
    assert "succeeded" in lines[-1]
    assert "out_of_memory" in lines[4]
    assert "步行" in lines[1]
    assert max(map(len, lines)) <= 80
    assert done.stderr == ""


def test_rows_with_several_seeds_are_told_apart(hymo_: Hymo, store: Store) -> None:
    batch = store.batches.get("night")
    prompt = "a person: squats " * 9
    new = [new_job("squats", prompt=prompt, seed=n) for n in (0, 23, 1_234_567)]
    store.batches.insert(batch, new, attempt_limit=1)
    for words in ((), ("--batch", "night"), ("--state", "queued,succeeded")):
        head, *lines = hymo_("history", *words).stdout.splitlines()
        assert max(map(len, (head, *lines))) <= 80
        assert head.split()[-2:] == ["AGO", "PROMPT"]
        place = head.index("SEED") + len("SEED")
        assert [line[:place].split()[-1] for line in lines[:3]] == ["1234567", "23", "0"]


def test_a_narrow_table_gives_up_columns_before_it_breaks(hymo_: Hymo) -> None:
    heads = {
        width: hymo_("history", env={"COLUMNS": str(width)}).stdout.splitlines()[0].split()
        for width in (200, 80, 70, 40)
    }
    assert heads[200] == ["ID", "BATCH", "ROW", "MODE", "STATE", "FAILURE", "CARD", "TIME", "AGO",
                          "PROMPT"]  # fmt: skip
    assert heads[80] == [each for each in heads[200] if each != "CARD"]
    assert heads[70] == [each for each in heads[200] if each not in {"CARD", "MODE"}]
    assert heads[40] == ["ID", "BATCH", "ROW", "STATE", "AGO", "PROMPT"]


def test_metadata_that_no_job_has_is_said(hymo_: Hymo) -> None:
    for words in ((), ("--json",), ("--csv", "--all")):
        done = hymo_("history", "--fields", "id,metadata.actr,metadata.actor", *words)
        assert "note: no job shown has metadata actr; there is actor\n" in done.stderr
        assert done.exit_code == 0
        assert "metadata actor;" not in done.stderr


def test_history_as_json_is_as_documented(hymo_: Hymo) -> None:
    found = json.loads(hymo_("history", "--json", "--limit", "2").stdout)
    assert (found["schema"], [job["id"] for job in found["jobs"]]) == ("hymo.history/1", [6, 5])
    rest = json.loads(hymo_("history", "--json", "--after", found["next"]).stdout)
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == ([4, 3, 2, 1], None)
    first = rest["jobs"][-1]
    assert (first["batch"], first["custom_id"], first["state"]) == ("night", "wave", "succeeded")
    assert first["timings"] | {"queue": 0} == {
        "queue": 0, "load": 1.0, "encode": 2.0, "sample": 3.0, "decode": 4.0, "save": 5.0,
    }  # fmt: skip
    assert first["artifacts"] == [
        {"format": "npz", "path": "/out/night/wave_s0.npz", "size": 14200, "sha256": "ab" * 32}
    ]
    assert first["peak_memory_bytes"] == 22_000_000_000
    assert first["quality"] == {"skate_mm": 1.5, "penetration_mm": 0.25, "jitter": 1000.0}
    nothing = {"skate_mm": None, "penetration_mm": None, "jitter": None}
    assert rest["jobs"][0]["quality"] == nothing
    assert first["metadata"] == {"actor": "anna"}


def test_an_export_is_whole_whatever_the_limit(hymo_: Hymo) -> None:
    found = json.loads(hymo_("history", "--all", "--json", "--limit", "1").stdout)
    assert [job["id"] for job in found["jobs"]] == [6, 5, 4, 3, 2, 1]
    done = hymo_("history", "--all", "--csv", "--sort", "id", "--fields", "id,prompt,files")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert rows[0] == ["id", "prompt", "artifacts"]
    assert rows[1] == ["1", "a person: wave", "/out/night/wave_s0.npz"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4", "5", "6"]
    every = list(csv.DictReader(io.StringIO(hymo_("history", "--csv").stdout)))
    assert every[-1]["metadata"] == '{"actor": "anna"}'
    assert every[-1]["sample"] == "3.0"


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("--state", "failed"), [3]),
        (("--state", "failed,succeeded"), [3, 2, 1]),
        (("--failure", "out_of_memory,lost"), [3]),
        (("--mode", "lite"), []),
        (("--card", "a100"), [4, 3, 2, 1]),
        (("--worker", "w1", "--state", "running"), [4]),
        (("--grep", "PERSON: s"), [5, 4]),
        (("--since", "1h"), [6, 5, 4, 3, 2, 1]),
        (("--until", "yesterday"), []),
        (("--sort", "-peak"), [2, 1, 6, 5, 4, 3]),
        (("--sort", "id", "--limit", "2"), [1, 2]),
        (("--sort", "-jitter"), [1, 2, 6, 5, 4, 3]),
        (("--sort", "jitter"), [2, 1, 3, 4, 5, 6]),
        (("--sort", "-skate", "--limit", "1"), [2]),
        (("--sort", "penetration", "--state", "succeeded"), [1, 2]),
    ],
)
def test_filters_and_orders(hymo_: Hymo, words: tuple[str, ...], ids: list[int]) -> None:
    done = hymo_("history", "--json", "--batch", "night", *words)
    assert [job["id"] for job in json.loads(done.stdout)["jobs"]] == ids


def test_outliers_are_listed_with_what_they_are_sorted_by(hymo_: Hymo) -> None:
    done = hymo_("history", "--batch", "night", "--sort=-jitter", "--limit", "3")
    head, first, second, third = done.stdout.splitlines()
    assert head.split()[-3:] == ["JITTER", "AGO", "PROMPT"]
    end = head.index("JITTER") + len("JITTER")
    cells = [" ".join(line[:end].split()[-2:]) for line in (first, second)]
    assert cells == ["1000 m/s³", "500 m/s³"]
    assert "m/s³" not in third
    fields = ("--fields", "id,skate,jitter")
    done = hymo_("history", "--batch", "night", "--state", "succeeded", *fields)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["ID", "SKATE", "JITTER"], ["2", "3.00", "mm", "500", "m/s³"],
        ["1", "1.50", "mm", "1000", "m/s³"],
    ]  # fmt: skip
    found = json.loads(hymo_("history", "--json", "--after", _second(hymo_), *fields).stdout)
    assert found["jobs"][-1] == {"id": 1, "quality": {"skate_mm": 1.5, "jitter": 1000.0}}
    rows = list(csv.DictReader(io.StringIO(hymo_("history", "--csv").stdout)))
    assert (rows[-1]["penetration_mm"], rows[0]["penetration_mm"]) == ("0.25", "")


def _second(hymo_: Hymo) -> str:
    """The cursor after the newest job."""
    return str(json.loads(hymo_("history", "--json", "--limit", "1").stdout)["next"])


def test_nothing_found_is_said_and_no_error(hymo_: Hymo) -> None:
    done = hymo_("history", "--state", "cancelled")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no jobs match\n")


def test_queued_jobs_say_why_they_wait(hymo_: Hymo, store: Store) -> None:
    store.workers.stop(1)
    small = Offer("w2", ("full",), ("null",), 16 * GIB)
    store.workers.register(worker_card(small))
    reason = "no worker fits: needs 24 GiB full; largest live: 16 GiB"
    done = hymo_("history")
    assert done.stderr == f"2 queued jobs: {reason}\n"
    assert json.loads(hymo_("history", "--json").stdout)["jobs"][0]["reason"] == reason
    assert reason in hymo_("show", "6").stdout
    assert hymo_("pause", "night").exit_code == 0
    assert "batch night is paused" in hymo_("show", "6").stdout


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("history", "--batch", "nite"), 3, "no batch 'nite': existing batches include night"),
        (("history", "--card", "A10"), 3, "no card 'A10': known cards: NVIDIA A100-SXM4-40GB"),
        (("history", "--sort", "speed"), 2, "cannot sort by 'speed'"),
        (("history", "--state", "done"), 2, "'done' is not one of queued"),
        (("history", "--since", "soon"), 2, "'soon' is not a time"),
        (("history", "--fields", "speed"), 2, "'speed' is not a field"),
        (("history", "--after", "xyz"), 2, "not a cursor"),
        (("history", "--json", "--csv"), 2, "exclude each other"),
        (("history", "--all"), 2, "needs --json or --csv"),
        (("history", "--batch", "night", "stats"), 2, "after `stats`"),
        (("history", "--limit", "0"), 2, "1<=x<=1000"),
        (("show", "99"), 3, "no job '99': the newest is 6"),
        (("show", "night/nobody"), 3, "no job 'night/nobody'"),
        (("show", "day/wave"), 3, "no batch 'day'"),
        (("show", "9" * 30), 3, "no batch"),
        (("cancel",), 2, "name jobs, or a batch"),
        (("cancel", "1", "--batch", "night"), 2, "not both"),
        (("cancel", "night"), 2, "--batch night"),
        (("retry", "--batch", "night", "--state", "succeeded"), 2, "needs --force"),
        (("watch", "day"), 3, "no batch 'day'"),
        (("pause", "day"), 3, "no batch 'day'"),
        (("workers", "undeclare", "x"), 3, "no declared worker 'x'"),
        (("workers", "declare", "x", "--card", "A10"), 2, "--memory"),
        (("workers", "declare", "x", "--card", "A10", "--memory", "9", "--models", "y"), 3, "'y'"),
        (("workers", "declare", "a b", "--card", "A10", "--memory", "9"), 2, "not safe"),
        (("workers", "declare", "x", "--card", " ", "--memory", "9"), 2, "name it, such as A10"),
        (("workers", "declare", "x", "--card", "A10", "--memory", "0.5"), 2, "1<=x<=100000"),
        (("nonsense",), 2, "No such command 'nonsense'"),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    hymo_: Hymo, words: tuple[str, ...], code: int, text: str
) -> None:
    done = hymo_(*words)
    assert done.exit_code == code, done.output
    assert done.stdout == ""
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_show_a_job(hymo_: Hymo) -> None:
    done = hymo_("show", "night/fall")
    for text in ("job 3", "fall, seed 0", "failed: out_of_memory", "24 GiB", "actor=anna"):
        assert text in done.stdout
    assert "quality" not in done.stdout
    made = hymo_("show", "night/wave").stdout
    assert "quality    skate 1.50 mm, penetration 0.25 mm, jitter 1000 m/s³\n" in made
    # The first line of the error, and its tail.
    assert "CUDA out of memory" in done.stdout
    assert "frame 3\n" not in done.stdout
    assert "frame 39" in done.stdout
    assert "the end" in done.stdout
    assert "/out/night/wave_s0.npz (14.2 kB)" in hymo_("show", "night/wave_s0").stdout


def test_show_tells_that_a_job_is_a_suspect(hymo_: Hymo, store: Store) -> None:
    assert "suspect" not in hymo_("show", "4").stdout
    store.leases.expire_worker(1, "worker process 7 ended with code -9")
    store.control.retry([4], max_attempts=3)
    assert not _suspect(hymo_), "a new start"
    offer = Offer("w1", ("full",), ("null",), 24 * GIB)
    again = store.claims.claim(1, offer, job_id=4, lease=1000)
    assert again
    store.claims.begin(again)
    store.leases.expire_worker(1, "worker process 7 ended with code -9")
    assert "its worker ended while it ran" in hymo_("show", "4").stdout
    assert _suspect(hymo_)


def _suspect(hymo_: Hymo) -> bool:
    (job,) = json.loads(hymo_("show", "4", "--json").stdout)["jobs"]
    return bool(job["suspect"])


def test_show_as_json(hymo_: Hymo) -> None:
    found = json.loads(hymo_("show", "3", "night", "--json").stdout)
    (job,), (batch,) = found["jobs"], found["batches"]
    assert (found["schema"], job["id"], job["attempts"]) == ("hymo.show/1", 3, 1)
    assert [each["outcome"] for each in job["tries"]] == ["failed"]
    assert job["tries"][0]["error"] == ERROR
    assert job["tries"][0]["quality"]["jitter"] is None
    assert batch["counts"] == {
        "queued": 2, "running": 1, "succeeded": 2, "failed": 1, "cancelled": 0,
    }  # fmt: skip
    assert batch["groups"][0]["success_rate"] == pytest.approx(2 / 3)


def test_show_a_batch(hymo_: Hymo) -> None:
    done = hymo_("show", "night/")
    for text in ("6: 2 queued, 1 running, 2 succeeded, 1 failed", "/out/night", "66.7 %"):
        assert text in done.stdout
    assert "hymo retry --batch night" in done.stdout


def test_stats(hymo_: Hymo) -> None:
    found = json.loads(hymo_("history", "stats", "--batch", "night", "--json").stdout)
    (group,) = found["groups"]
    assert found["schema"] == "hymo.stats/1"
    assert (group["card"], group["mode"], group["count"], group["succeeded"]) == (
        "NVIDIA A100-SXM4-40GB", "full", 3, 2,
    )  # fmt: skip
    assert group["timings"]["sample"] == {"mean": 3.0, "p50": 3.0, "p95": 3.0}
    assert group["timings"]["total"]["mean"] == 15.0
    assert group["peak_memory_bytes"]["p95"] == 22e9
    assert group["quality"] == {
        "skate_mm": {"mean": 2.25, "p50": 1.5, "p95": 3.0},
        "penetration_mm": {"mean": 0.25, "p50": 0.25, "p95": 0.25},
        "jitter": {"mean": 750.0, "p50": 500.0, "p95": 1000.0},
    }
    rows = list(csv.DictReader(io.StringIO(hymo_("history", "stats", "--csv").stdout)))
    assert {row["measure"] for row in rows} >= {"sample", "total", "peak_memory"}
    shown = hymo_("history", "stats").stdout
    assert "22.0 GB" in shown
    assert [line.split() for line in shown.splitlines() if "jitter" in line] == [
        ["jitter", "750", "m/s³", "500", "m/s³", "1000", "m/s³"]
    ]
    units = {row["measure"]: row["unit"] for row in rows}
    assert (units["sample"], units["skate_mm"], units["jitter"]) == ("s", "mm", "m/s³")
    assert max(map(len, shown.splitlines())) <= 80
    assert hymo_("history", "stats", "--mode", "lite").stderr == "no attempts match\n"


def test_stats_begin_with_a_line_a_card(hymo_: Hymo, monkeypatch: pytest.MonkeyPatch) -> None:
    done = hymo_("history", "stats")
    assert done.stderr.startswith("FMD —: fewer than 8 motions")
    table = done.stdout.splitlines()
    assert table[0].split() == [
        "CARD", "MODE", "RUNS", "SUCCESS", "LATENCY", "PEAK", "FMD", "SKATE", "JITTER",
    ]  # fmt: skip
    assert table[1].endswith("66.7 %   15.0 s  22.0 GB    —  2.25 mm  750 m/s³")
    assert json.loads(hymo_("history", "stats", "--json").stdout)["groups"][0]["fmd"] is None

    far = MotionDistance(12.345, 11.0, 14.0, 5000, 142, "r1")
    monkeypatch.setattr(distance, "distances", lambda *_: {("NVIDIA A100-SXM4-40GB", "full"): far})
    done = hymo_("history", "stats")
    assert "22.0 GB  12.3  2.25 mm" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr == (
        "FMD of NVIDIA A100-SXM4-40GB full: 12.3, 95 % interval 11 to 14, "
        "the newest 5000 motions against 142 real clips\n"
    )
    (group,) = json.loads(hymo_("history", "stats", "--json").stdout)["groups"]
    assert group["fmd"] == {
        "value": 12.345, "low": 11.0, "high": 14.0, "motions": 5000, "real": 142, "reference": "r1",
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(hymo_("history", "stats", "--csv").stdout)))
    (row,) = [row for row in rows if row["measure"] == "fmd"]
    assert (row["card"], row["mean"], row["p50"]) == ("NVIDIA A100-SXM4-40GB", "12.345", "")


def test_stats_start_without_what_is_slow(store: Store, sqlite_url: str, tmp_path: Path) -> None:
    program = (
        "import sys; from jobs.cli.main import hymo; "
        "hymo(['history', 'stats'], standalone_mode=False); "
        "heavy = {'torch', 'numpy', 'worker', 'hymotion', 'rich.text'}; "
        "sys.exit(bool(heavy & sys.modules.keys()))"
    )
    environ = os.environ | {"HYMO_DATABASE_URL": sqlite_url, "HYMO_HOME": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert (done.returncode, b"A100" in done.stdout) == (0, True), done.stderr


def test_cancel_and_retry(hymo_: Hymo, store: Store) -> None:
    done = hymo_("cancel", "night/wave", "night/sit", "5")
    assert done.stdout == (
        "cancelled 1 queued job, stopping 1 running job, 1 job had already ended\n"
    )
    assert store.history.job(5).state is State.CANCELLED
    assert "asked to stop" in hymo_("show", "4").stdout
    whole = json.loads(hymo_("cancel", "--batch", "night", "--json").stdout)
    assert whole == {"schema": "hymo.cancel/1", "cancelled": 1, "stopping": 1, "ended": 4}

    done = hymo_("retry", "1", "3")
    assert done.stdout == "queued 1 job again\n"
    assert "only with --force" in done.stderr
    assert "the jobs wait for `hymo up`" in done.stderr
    assert store.history.job(3).state is State.QUEUED
    assert "have not ended" in hymo_("retry", "3").stderr
    assert json.loads(
        hymo_("retry", "--batch", "night", "--state", "cancelled", "--json").stdout
    ) == {"schema": "hymo.retry/1", "queued": 2}
    assert hymo_("retry", "1", "--force").stdout == "queued 1 job again\n"
    assert hymo_("retry", "--batch", "night", "--failure", "lost").stdout == "queued 0 jobs again\n"


def test_pause_and_resume(hymo_: Hymo, store: Store) -> None:
    done = hymo_("pause", "night")
    assert done.stdout == "paused night: 2 queued, 1 running; `hymo resume night` resumes it\n"
    assert store.batches.get("night").paused
    assert hymo_("resume", "night").stdout == "resumed night: 2 queued, 1 running\n"
    assert not store.batches.get("night").paused


def test_watch(hymo_: Hymo, store: Store) -> None:
    done = hymo_("watch", "night", "--timeout", "0")
    assert done.exit_code == 6
    assert done.stdout == "batch night: 2 queued, 1 running, 2 succeeded, 1 failed\n"
    assert "night: 3/6 done" in done.stderr
    store.control.cancel([5, 6])
    store.completion.cancelled([_running(store)])
    done = hymo_("watch", "night", "--json")
    assert done.exit_code == 5
    assert json.loads(done.stdout) == {
        "schema": "hymo.watch/1", "batch": "night", "finished": True,
        "counts": {"queued": 0, "running": 0, "succeeded": 2, "failed": 1, "cancelled": 3},
    }  # fmt: skip


def _running(store: Store) -> Claim:
    job = store.history.job(4)
    return Claim(
        job_id=4, attempt=1, worker_id=1, batch_id=1, batch="night", output="/out",
        custom_id="sit", prompt=job.prompt, frames=100, seed=0, mode="full", steps=50, guidance=5.0,
        priority=0, formats=("npz",), model="null", revision="null-1", gib=24, queue_s=0.0,
    )  # fmt: skip


def test_watch_ends_well_when_nothing_failed(hymo_: Hymo, store: Store) -> None:
    batch = store.batches.ensure("empty", source="-", output="/out")
    store.batches.insert(batch, [_new("a")], attempt_limit=1)
    store.control.cancel(batch_id=batch.id)
    done = hymo_("watch", "empty/")
    assert (done.exit_code, done.stdout) == (5, "batch empty: 1 cancelled\n"), "nothing was made"
    store.batches.insert(batch, [_new("b")], attempt_limit=1)
    offer = Offer("w1", ("full",), ("null",), 24 * GIB)
    store.control.cancel([5, 6])
    (claim,) = store.claims.claim(1, offer, job_id=None, limit=1, lease=1000)
    store.completion.succeed([_success(claim)], publish=lambda _: None)
    done = hymo_("watch", "empty")
    assert (done.exit_code, done.stdout) == (0, "batch empty: 1 succeeded, 1 cancelled\n")


def test_workers(hymo_: Hymo) -> None:
    (worker,) = json.loads(hymo_("workers", "--json").stdout)["workers"]
    assert (worker["name"], worker["state"], worker["alive"]) == ("w1", "live", True)
    assert (worker["memory_bytes"], worker["tags"]) == (24 * GIB, {"numa": 1})
    assert (worker["queues"], worker["running"]) == (["hymo.full.24"], 1)
    lines = hymo_("workers").stdout.splitlines()
    assert lines[1].startswith("w1    live   NVIDIA A100")
    assert max(map(len, lines)) <= 80


def test_declared_workers_count_for_auto(hymo_: Hymo, store: Store) -> None:
    words = ("workers", "declare", "rack7", "--card", "A10", "--modes", "full", "--memory", "20")
    assert hymo_(*words).stdout == "declared rack7: A10, full, 20 GiB\n"
    (offer,) = [each for each in store.workers.offers(alive=60) if each.name == "rack7"]
    assert (offer.modes, offer.memory_bytes) == (("full",), 20 * GIB)
    assert "hy-motion-1.0" in offer.models
    # The card's published limit came from memory that ours does not need: decisions/0010.
    assert offer.max_frames == {}
    worker = json.loads(hymo_("workers", "--json").stdout)["workers"][0]
    assert (worker["name"], worker["queues"][0]) == ("rack7", "hymo.full.20")
    larger = ("workers", "declare", "rack8", "--card", "H100", "--memory", "80")
    assert "no figures are published for card H100" in hymo_(*larger).stderr
    store.workers.stop(1)
    waits = "waits for declared worker rack8, which is not up"
    assert hymo_("history").stderr == f"2 queued jobs: {waits}\n"
    assert waits in hymo_("show", "6").stdout
    missing = hymo_("history", "--card", "H100")
    assert missing.exit_code == 3
    assert "known cards: NVIDIA A100-SXM4-40GB\n" in missing.stderr
    hymo_("workers", "undeclare", "rack8")
    assert "declared" in hymo_("workers").stdout
    assert hymo_("workers", "undeclare", "rack7").exit_code == 0
    assert "rack7" not in hymo_("workers").stdout
    assert "stopped" in hymo_("workers", "--all").stdout


def test_cards(hymo_: Hymo) -> None:
    done = hymo_("cards")
    assert max(map(len, done.stdout.splitlines())) <= 80
    found = {card["name"]: card for card in json.loads(hymo_("cards", "--json").stdout)["cards"]}
    assert list(found) == ["A10", "A100", "V100"]
    assert found["A10"]["run"]["latency_s"] == 9.2
    assert found["A10"]["measured"] == []
    (measured,) = found["A100"]["measured"]
    assert (measured["count"], measured["latency_s"]) == (3, 15.0)
    shown = hymo_("cards", "v100", "H100").stdout
    for text in ("NCCL_ASYNC_ERROR_HANDLING=0", "23.3 GB of 32", "watch real utilisation"):
        assert text in shown


def test_db(hymo_: Hymo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is at 0" in hymo_("db", "current").stdout
    assert "already" in hymo_("db", "upgrade").stdout
    monkeypatch.setenv("HYMO_DATABASE_URL", f"sqlite:///{tmp_path}/new.db")
    fresh = hymo_("db", "current")
    assert (fresh.exit_code, "is at nothing" in fresh.stdout) == (1, True)
    assert "went from nothing to 0" in hymo_("db", "upgrade").stdout
    assert hymo_("db", "current").exit_code == 0


def test_an_embedded_database_is_made_on_first_use(
    hymo_: Hymo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HYMO_DATABASE_URL")
    done = hymo_("--home", str(tmp_path / "other"), "history")
    assert (done.exit_code, done.stderr) == (0, "no jobs match\n")
    assert (tmp_path / "other" / "hymo.db").exists()


@pytest.mark.postgres
def test_a_server_is_migrated_only_when_told(
    hymo_: Hymo, empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HYMO_DATABASE_URL", empty_postgres_url)
    done = hymo_("history")
    assert done.exit_code == 1
    assert "run `hymo db upgrade`" in done.stderr
    assert hymo_("db", "upgrade").exit_code == 0
    assert hymo_("history").exit_code == 0


@pytest.mark.postgres
def test_a_server_that_is_away(hymo_: Hymo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYMO_DATABASE_URL", "postgresql://me:secret@127.0.0.1:9/x")
    for words in (("history",), ("show", "1"), ("watch", "x"), ("db", "current")):
        done = hymo_(*words)
        assert done.exit_code == 7
        assert done.stderr.startswith("hymo: database postgresql")
        assert "secret" not in done.output


def test_hostile_prompts_do_not_steer_the_terminal(hymo_: Hymo, store: Store) -> None:
    spec = JobSpec(
        custom_id="x", prompt="\x1b]0;owned\x07\u202e$(rm -rf /)", steps=50, guidance=5.0,
        metadata={"a\x1b": "b"},
    )  # fmt: skip
    batch = store.batches.get("night")
    store.batches.insert(batch, [NewJob(spec, "lite", "r", 1)], attempt_limit=1)
    for words in (("history",), ("show", "7"), ("history", "--fields", "prompt,metadata")):
        shown = hymo_(*words).stdout
        assert "\\x1b]0;owned" in shown or "\\x1b]0" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    assert json.loads(hymo_("history", "--json").stdout)["jobs"][0]["prompt"] == spec.prompt


@pytest.mark.parametrize("how", [["--all", "--csv"], ["--json"], []])
def test_process_with_a_closed_pipe(shell: Any, sqlite_url: str, how: list[str]) -> None:
    shell.environ = {"HYMO_DATABASE_URL": sqlite_url}
    process = shell.start("history", *how)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == 0


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(
    shell: Any, store: Store, sqlite_url: str, closed: str, tmp_path: Path
) -> None:
    environ = shell.environment() | {"HYMO_DATABASE_URL": sqlite_url}
    (tmp_path / "w.csv").write_text("prompt\nwalks\n")
    for words in ("history", f"submit {tmp_path}/w.csv"):
        done = subprocess.run(
            ["sh", "-c", f"exec {sys.executable} -m jobs {words} {closed}"],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (0, "")
        assert "Traceback" not in done.stderr
    assert store.batches.get("w")
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
