"""Why a queued job waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.memory import GIB
from jobs.records import Quality
from jobs.routing import Offer
from jobs.states import State
from jobs.store.jobrow import JobRow
from jobs.waiting import Waiting

JOB = JobRow(
    id=1, batch="night", custom_id="a", prompt="walks", mode="full", requested_mode="auto",
    frames=100, seed=0, steps=50, guidance=5.0, priority=0, formats=("npz",), model="null",
    revision="null-1", gib=24, state=State.QUEUED, failure=None, attempts=0, attempt_limit=3,
    worker=None, card=None, created_at=0.0, queued_at=0.0, not_before=0.0, started_at=None,
    finished_at=None, cancel_requested=False, paused=False, cached_from=None, phases={},
    peak_memory_bytes=None, quality=Quality(), metadata={},
)  # fmt: skip
SMALL = Offer("small", ("full", "lite"), ("null",), 16 * GIB)
LARGE = replace(SMALL, name="large", memory_bytes=24 * GIB)


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
        (replace(JOB, state=State.FAILED, paused=True), (), None),
    ],
)
def test_the_reason(job: JobRow, offers: tuple[Offer, ...], reason: str | None) -> None:
    waiting = Waiting(offers=offers, now=100.0)
    assert [waiting.reason(job), waiting.reason(job)] == [reason, reason]
