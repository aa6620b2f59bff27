"""Why a queued job waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from jobs.domain.attempts import MotionQuality
from jobs.domain.memory import GIB
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import Offer, TextDemand
from jobs.domain.states import State
from jobs.monitoring.waiting import Waiting
from jobs.store.history.jobrow import JobRow

JOB = JobRow(
    id=1, batch="night", custom_id="a", prompt="walks", mode="full", requested_mode="auto",
    frames=100, seed=0, steps=50, guidance=5.0, priority=0, formats=("npz",), model="null",
    revision="null-1", gib=24, state=State.QUEUED, failure=None, attempts=0, attempt_limit=3,
    worker=None, card=None, created_at=0.0, queued_at=0.0, not_before=0.0, started_at=None,
    finished_at=None, cancel_requested=False, paused=False,
    output="/out",
    suspect=False,
    returns=0, cached_from=None, phases={},
    peak_memory_bytes=None, quality=MotionQuality(), metadata={},
)  # fmt: skip
SMALL = Offer("small", ("full", "lite"), ("null",), 16 * GIB)
LARGE = replace(SMALL, name="large", memory_bytes=24 * GIB)
TEXT = replace(JOB, text=TextDemand(gib=20, revision="te-1"))
ENCODER = replace(SMALL, name="e1", encoders={"null": "te-1"})
OTHER = replace(ENCODER, encoders={"null": "te-1+int8"})
FULL = Pause(PauseScope.OUTPUT, "/out", "output /out full on h", 0.0)
GONE = Pause(PauseScope.BATCH, "night", "batch night: its folder is gone on g", 0.0)
BUSY = replace(LARGE, pauses=(FULL,))
AWAY = replace(LARGE, name="away", pauses=(GONE,))
KEPT = replace(JOB, state=State.RUNNING, worker="large")
BACK = "given back 20 times in a row, see its attempts"
NEEDS = "no worker fits: its text waits for a worker with 20 GiB that encodes with te-1; "


@pytest.mark.parametrize(
    ("job", "offers", "reason"),
    [
        (JOB, (SMALL, LARGE), None),
        (JOB, (SMALL,), "no worker fits: needs 24 GiB full; largest live: 16 GiB"),
        (JOB, (), "no worker fits: needs 24 GiB full; no worker is live"),
        (replace(JOB, paused=True), (), "batch night is paused: `hymo resume night`"),
        (replace(JOB, not_before=112.0, attempts=1), (), "attempt 2 of 3 follows in 12 s"),
        (replace(JOB, not_before=99.0, attempts=1), (LARGE,), None),
        (replace(JOB, state=State.RUNNING), (), None),
        (TEXT, (LARGE, ENCODER), "its text waits to be encoded by e1"),
        (
            TEXT,
            (replace(ENCODER, name="planned", declared=True), ENCODER),
            "its text waits to be encoded by e1",
        ),
        (
            TEXT,
            [replace(ENCODER, name=f"e{n}") for n in range(1, 6)],
            "its text waits to be encoded by e1, e2, e3 and 2 more",
        ),
        (TEXT, (LARGE,), f"{NEEDS}live: none that encodes"),
        (TEXT, (LARGE, OTHER), f"{NEEDS}live: te-1+int8"),
        (TEXT, (), f"{NEEDS}no worker is live"),
        (replace(TEXT, paused=True), (), "batch night is paused: `hymo resume night`"),
        (replace(TEXT, not_before=112.0), (ENCODER,), "attempt 1 of 3 follows in 12 s"),
        (replace(TEXT, state=State.RUNNING), (ENCODER,), None),
        (replace(JOB, state=State.FAILED, paused=True), (), None),
        (JOB, (BUSY,), "waits: output /out full on h"),
        (JOB, (BUSY, AWAY), "waits: output /out full on h; batch night: its folder is gone on g"),
        (JOB, (BUSY, LARGE), None),
        (replace(JOB, batch="day"), (BUSY, AWAY), None),
        (replace(JOB, output="/elsewhere"), (BUSY,), None),
        (KEPT, (BUSY, LARGE), "waits: output /out full on h"),
        (replace(KEPT, worker="small"), (BUSY, SMALL), None),
        (replace(JOB, returns=19), (LARGE,), None),
        (replace(JOB, returns=20), (LARGE,), BACK),
        (replace(JOB, returns=20), (BUSY,), f"waits: output /out full on h; {BACK}"),
    ],
)
def test_the_reason(job: JobRow, offers: Sequence[Offer], reason: str | None) -> None:
    waiting = Waiting(offers=offers, now=100.0)
    assert [waiting.reason(job), waiting.reason(job)] == [reason, reason]


@pytest.mark.parametrize(
    ("job", "scope", "subject", "waits"),
    [
        (JOB, "worker", "", True),
        (JOB, "model", "null full", True),
        (JOB, "model", "null lite", False),
        (JOB, "encoder", "null", False),
        (TEXT, "encoder", "null", True),
        (TEXT, "encoder", "tiny", False),
        (TEXT, "model", "null full", False),
        (TEXT, "worker", "", True),
    ],
)
def test_a_pause_of_the_only_worker_is_the_reason(
    job: JobRow, scope: str, subject: str, waits: bool
) -> None:
    pause = Pause(PauseScope(scope), subject, "h: broken", 0.0)
    worker = replace(LARGE, encoders={"null": "te-1"}, pauses=(pause,))
    reason = Waiting(offers=(worker,), now=100.0).reason(job)
    assert (reason == "waits: h: broken") is waits
    other = replace(worker, name="other", pauses=())
    both = Waiting(offers=(worker, other), now=100.0).reason(job)
    assert both is None or both.startswith("its text waits to be encoded by")


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        (JOB, "workers are starting"),
        (replace(JOB, gib=32), "no worker fits: needs 32 GiB full; no worker is live"),
        (TEXT, f"{NEEDS}no worker is live"),
        (replace(JOB, paused=True), "batch night is paused: `hymo resume night`"),
    ],
)
def test_workers_that_start_count_if_they_fit(job: JobRow, reason: str) -> None:
    assert Waiting(offers=(), now=100.0, starting=(LARGE,)).reason(job) == reason
