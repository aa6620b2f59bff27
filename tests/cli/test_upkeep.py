"""Output about texts, precisions and loads, for a batch whose texts were encoded ahead."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from jobs.domain.attempts import Claim, Failed, Run, Success, Timings
from jobs.domain.memory import GIB
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import Offer, TextDemand
from jobs.domain.states import Failure, State
from jobs.domain.workers import WorkerCard
from jobs.monitoring import distance
from jobs.monitoring.distance import MotionDistance
from jobs.monitoring.waiting import standstill
from jobs.store.store import Store
from tests.cli.calling import Hymo
from tests.cli.rows import new_job, worker_card

pytestmark = pytest.mark.usefixtures("store")

MODEL = "hy-motion-1.0"
REVISION = "te-0123456789ab"
TEXT = TextDemand(gib=20, revision=REVISION)
A100, V100 = "NVIDIA A100-SXM4-40GB", "Tesla V100-SXM2-16GB"
HIT = Run(dtype="float16", plan="remote", embedding="hit", loads=0)
ROWS = ("wave", "jump", "fall", "spin", "walk")


def card(name: str, card_: str, **offer: object) -> WorkerCard:
    return worker_card(
        replace(Offer(name, ("full",), (MODEL,), 16 * GIB), **offer), device="cuda:0", card=card_,
        dtype="float16",
        tags={"texts": "staged", "numerics": f"{MODEL} gave up bfloat16"} if offer else {},
    )  # fmt: skip


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    """Jobs 1 and 2 were sampled after their texts were encoded, the text of 3 was already encoded;
    4 and 5 wait for their texts, and encoding failed once for 4."""
    with Store.open(sqlite_url) as opened:
        batch = opened.batches.ensure("night", source="night.csv", output="/out")
        new = [new_job(name, model=MODEL, revision="st-1", gib=8) for name in ROWS]
        opened.batches.insert(batch, new, attempt_limit=2)
        a100 = opened.workers.register(card("a100", A100, encoders={MODEL: REVISION}))
        sampler = card("v100", V100)
        v100 = opened.workers.register(sampler)
        opened.encoding.park([1, 2, 4, 5], TEXT)
        claims = opened.encoding.claim_texts(a100, [1, 2, 4], revision=REVISION, lease=1000)
        for claim, loads in zip(claims[:2], (1, 0), strict=True):
            timings = Timings(load=40.0 * loads, encode=0.25)
            run = Run(plan="staged", embedding="made", loads=loads)
            opened.encoding.encoded([claim], timings, run, peak_memory_bytes=17_000_000_000)
        opened.completion.fail([Failed(claims[2], Failure.ERROR, "boom")], backoff=lambda _: 0.0)
        claims = opened.claims.claim(v100, sampler.offer, job_id=None, limit=3, lease=1000)
        runs = (
            replace(HIT, loads=1),
            HIT,
            replace(HIT, dtype="float32", numerics_step=2, numerics_dtype="float16"),
        )
        opened.completion.succeed(
            [_won(*each) for each in zip(claims, runs, strict=True)], publish=_nothing
        )
        yield opened


def _nothing(_: Success) -> None:
    """No files to put in place."""


def _won(claim: Claim, run: Run) -> Success:
    timings = Timings(load=3.0 * (run.loads or 0), sample=2.0)
    return Success(claim, timings, 3_000_000_000, (), run=run)


def test_texts_encoded_ahead_are_a_group_of_their_own(
    hymo_: Hymo, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(hymo_("history", "stats", "--json").stdout)
    encoding, sampling = found["groups"]
    assert (encoding["card"], encoding["mode"]) == (A100, "encode")
    assert (encoding["count"], encoding["succeeded"]) == (3, 2)
    assert encoding["timings"]["encode"] == {"mean": 0.25, "p50": 0.25, "p95": 0.25}
    assert encoding["timings"]["load"]["p95"] == 40.0
    assert encoding["peak_memory_bytes"]["p50"] == 17e9
    assert (encoding["timings"]["sample"], encoding["timings"]["save"]) == (None, None)
    assert (sampling["card"], sampling["mode"], sampling["success_rate"]) == (V100, "full", 1.0)
    assert sampling["timings"]["total"]["mean"] == 3.0
    shown = hymo_("history", "stats")
    assert shown.stderr.count("FMD") == 1
    assert [line.split()[3:] for line in shown.stdout.splitlines()[1:2]] == [
        ["3", "66.7", "%", "20.2", "s", "17.0", "GB"]
    ]
    # Encoding attempts have no motions, so a missing distance is not noted.
    far = MotionDistance(12.3, 11.0, 14.0, 5000, 142, "r1")
    monkeypatch.setattr(distance, "distances", lambda *_: {(V100, "full"): far})
    assert hymo_("history", "stats").stderr.startswith(f"FMD of {V100} full: 12.3")
    assert "FMD —" not in hymo_("history", "stats").stderr


def test_upkeep_as_json(hymo_: Hymo) -> None:
    upkeep = json.loads(hymo_("history", "stats", "--batch", "night", "--json").stdout)["upkeep"]
    groups = upkeep.pop("groups")
    third = pytest.approx(1 / 3)
    assert upkeep == {
        "motions": 3, "texts": 2, "hit_rate": third, "loads": 2, "load_s": 43.0,
        "loads_per_1000": pytest.approx(2000 / 3), "resampled": 1, "resampled_share": third,
        "dtypes": {"float16": 2, "float32": 1},
    }  # fmt: skip
    assert all("hit_rate" not in each for each in groups)
    assert [(each["card"], each["mode"], each["texts"], each["loads"]) for each in groups] == [
        (A100, "encode", 2, 1), (V100, "full", 0, 1),
    ]  # fmt: skip
    # A text counts for the mode of the job that it was encoded for.
    of_full = json.loads(hymo_("history", "stats", "--mode", "full", "--json").stdout)
    assert of_full["upkeep"]["texts"] == 2
    of_lite = json.loads(hymo_("history", "stats", "--mode", "lite", "--json").stdout)
    assert (of_lite["groups"], of_lite["upkeep"]["hit_rate"]) == ([], None)


def test_upkeep_for_people(hymo_: Hymo) -> None:
    lines = hymo_("history", "stats").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    at = next(n for n, line in enumerate(lines) if "AGAIN" in line)
    assert lines[at + 1].split()[-5:] == ["encode", "2", "1", "40.0", "s"]
    assert lines[at + 2].split()[-9:-3] == ["full", "3", "1", "3.00", "s", "1"]
    assert lines[at + 3 :] == [
        "", "in all",
        "  texts     2 encoded for 3 motions: 33.3 % were already encoded",
        "  loads     2 models loaded in 43.0 s: 667 for 1000 motions",
        "  computed  float16 2, float32 1",
        "  again     1 motion (33.3 %) had non-finite values, sampled again in float32",
    ]  # fmt: skip


def test_upkeep_as_csv(hymo_: Hymo) -> None:
    rows = list(csv.DictReader(io.StringIO(hymo_("history", "stats", "--csv").stdout)))
    assert list(rows[0]) == [
        "card", "mode", "count", "success_rate", "measure", "unit", "mean", "p50", "p95",
    ]  # fmt: skip
    whole = {row["measure"]: row for row in rows if not row["card"]}
    assert float(whole["hit_rate"]["mean"]) == pytest.approx(1 / 3)
    assert (whole["texts"]["mean"], whole["texts"]["count"]) == ("2", "3")
    assert (whole["load_s"]["mean"], whole["load_s"]["unit"]) == ("43.0", "s")
    assert {row["mode"] for row in rows} == {"encode", "full", ""}


def test_show_tells_how_each_attempt_was_run(hymo_: Hymo) -> None:
    shown = hymo_("show", "1").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert "1  encoded    a100" in shown
    assert "attempt 1  encoded the text ahead (text plan staged); 1 model loaded\n" in shown
    again = " ".join(hymo_("show", "3").stdout.split())
    assert "text was already encoded (text plan remote); computed in float32; float16 gave" in again
    assert "non-finite values at step 2: sampled again in float32" in again
    assert "encode: error" in hymo_("show", "4").stdout
    (job,) = json.loads(hymo_("show", "1", "--json").stdout)["jobs"]
    assert [each["mode"] for each in job["tries"]] == ["encode", "full"]
    assert job["tries"][0]["outcome"] == "encoded"
    assert job["tries"][1]["run"] == {
        "dtype": "float16", "plan": "remote", "embedding": "hit", "loads": 1, "numerics_step": None,
        "numerics_dtype": None, "path": None,
    }  # fmt: skip


def test_a_job_says_who_will_encode_its_text(hymo_: Hymo, store: Store) -> None:
    by = "its text waits to be encoded by a100"
    assert by in hymo_("show", "5").stdout
    assert hymo_("history").stderr == f"2 queued jobs: {by}\n"
    fields = ("--fields", "reason,text_revision,class_gib", "--json", "--limit", "1")
    (job,) = json.loads(hymo_("history", *fields).stdout)["jobs"]
    assert job == {"reason": by, "text_revision": REVISION, "class_gib": 8}
    assert "66.7 %" not in hymo_("cards").stdout
    batch = store.batches.get("night")
    assert standstill(store, batch, alive=60) == by
    store.workers.stop(1)
    nobody = f"waits for a worker with 20 GiB that encodes with {REVISION}; live: none that encodes"
    assert nobody in hymo_("history").stderr
    assert nobody in (standstill(store, batch, alive=60) or "")
    shown = hymo_("show", "5").stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert nobody in " ".join(shown.split())
    (claim,) = store.encoding.claim_texts(2, [5], revision=REVISION, lease=1000)
    assert "running on v100, encoding its text" in hymo_("show", "5").stdout
    store.completion.release([claim])


def test_jobs_that_wait_for_their_text_can_be_steered(hymo_: Hymo, store: Store) -> None:
    assert hymo_("pause", "night").stdout.startswith("paused night: 2 queued, 0 running")
    assert "batch night is paused" in hymo_("show", "5").stdout
    assert store.encoding.claim_texts(1, [5], revision=REVISION, lease=1000) == []
    assert hymo_("resume", "night").exit_code == 0
    assert hymo_("cancel", "4").stdout.startswith("cancelled 1 queued job")
    assert store.history.job(4).state is State.CANCELLED
    assert hymo_("retry", "4").stdout == "queued 1 job again\n"
    assert store.history.job(4).state is State.QUEUED
    # The text may have been encoded meanwhile, so a retried job no longer waits for it.
    assert store.history.job(4).text is None
    (claim,) = store.encoding.claim_texts(1, [5], revision=REVISION, lease=1000)
    assert "stopping 1 running job" in hymo_("cancel", "5").stdout
    store.encoding.encoded([claim], Timings(encode=0.1), Run(embedding="made"))
    assert store.history.job(5).state is State.CANCELLED


def test_workers_tell_of_texts_and_precisions(hymo_: Hymo) -> None:
    done = hymo_("workers")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "  texts=staged" in lines[1]
    assert done.stderr == (
        f"a100: {MODEL} gave up bfloat16, too many motions had non-finite values\n"
    )
    wide = hymo_("workers", env={"COLUMNS": "200"}).stdout
    assert "texts=staged" in wide
    assert f"numerics={MODEL} gave up bfloat16" in wide
    (first, _) = json.loads(hymo_("workers", "--json").stdout)["workers"]
    assert (first["encoders"], first["tags"]["texts"]) == ({MODEL: REVISION}, "staged")


def test_workers_tell_of_pauses(store: Store, hymo_: Hymo) -> None:
    now = store.time()
    store.workers.set_pauses(1, [Pause(PauseScope.WORKER, "", "node1: 3 jobs failed", now - 725)])
    store.workers.set_pauses(2, [Pause(PauseScope.MODEL, f"{MODEL} full", "no weights", now)])
    done = hymo_("workers", env={"COLUMNS": "200"})
    first, second = done.stdout.splitlines()[1:]
    assert first.split()[:2] == ["a100", "paused"]
    assert second.split()[:2] == ["v100", "live"], "it takes other jobs"
    assert re.search(r"a100 waits: node1: 3 jobs failed \(since 1\d m \d\d s\)", done.stderr)
    assert "v100 waits: no weights (since" in done.stderr
    (paused, _) = json.loads(hymo_("workers", "--json").stdout)["workers"]
    assert (paused["state"], paused["pauses"][0]["scope"]) == ("live", "worker")
