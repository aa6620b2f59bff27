"""A batch's progress, with a clock that the test sets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from jobs.cli.render.progress import duration, follow, line
from jobs.domain.backoff import LONGEST, exponential
from jobs.domain.states import State
from jobs.errors import OutageError, UnreachableError
from jobs.monitoring.progress import STILL, WINDOW, BatchProgress


class Counts:
    """Replaces the store; returns counts that the test sets."""

    def __init__(self, *states: dict[State, int]) -> None:
        self.states = list(states)
        self.batches = SimpleNamespace(counts=self.counts)
        self.require_room = lambda: None

    def counts(self, _batch_id: int) -> dict[State, int]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@pytest.fixture(autouse=True)
def looks(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Counts the calls of `standstill`, which has its own tests."""
    found: list[None] = []

    def standstill(*_: object, **__: object) -> str:
        found.append(None)
        return "no worker is\x1b live"

    monkeypatch.setattr("jobs.monitoring.progress.standstill", standstill)
    return found


def made(clock: Any, *states: dict[State, int]) -> BatchProgress:
    batch: Any = SimpleNamespace(id=1, name="night")
    store: Any = Counts(*states)
    return BatchProgress(store=store, batch=batch, alive=60, clock=clock)


def test_rate_and_eta_come_from_the_last_half_minute(clock: Any) -> None:
    states = [{State.QUEUED: 100 - n, State.SUCCEEDED: n} for n in (0, 0, 10, 20, 60)]
    progress = made(clock, *states)
    assert progress.snapshot().eta is None
    clock.tick(WINDOW)
    assert progress.snapshot().rate == 0
    clock.tick(10)
    third = progress.snapshot()
    assert (third.done, third.total) == (10, 100)
    clock.tick(10)
    assert progress.snapshot().rate == pytest.approx(20 / 20)
    clock.tick(10)
    assert progress.snapshot().eta == pytest.approx(40 / (60 / 30))


def test_failed_and_cancelled_jobs_are_done(clock: Any) -> None:
    snapshot = made(clock, {State.FAILED: 2, State.CANCELLED: 1, State.SUCCEEDED: 3}).snapshot()
    assert snapshot.finished
    assert snapshot.failed == 2


def test_a_line_names_every_state_there_is(clock: Any) -> None:
    text = line(made(clock, {State.QUEUED: 20, State.RUNNING: 8, State.SUCCEEDED: 12}).snapshot())
    assert text == "12/40 done, –/s, ETA – · queued 20 · running 8 · succeeded 12"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, "–"), (0.4, "0:00"), (9, "0:09"), (750, "12:30"), (11100, "3:05:00")],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_following_ends_with_the_batch(clock: Any, capsys: pytest.CaptureFixture[str]) -> None:
    progress = made(clock, {State.QUEUED: 1}, {State.RUNNING: 1}, {State.SUCCEEDED: 1})
    looks: list[None] = []
    last = follow(
        progress,
        outage=0,
        mend="",
        meanwhile=lambda: looks.append(None),
        clock=clock,
        sleep=clock.tick,
    )
    assert last.finished
    assert len(looks) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == "night: 1/1 done, 1.0/s, ETA 0:00 · succeeded 1"


def test_following_ends_with_its_time(clock: Any) -> None:
    progress = made(clock, {State.QUEUED: 1})
    last = follow(progress, outage=0, mend="", timeout=10, clock=clock, sleep=clock.tick)
    assert not last.finished


AWAY = UnreachableError("database", "sqlite:///x", "gone", "start it")


class Flickering(Counts):
    """Counts of a database that does not answer some of the calls."""

    def __init__(self, *answers: dict[State, int] | None) -> None:
        super().__init__()
        self.answers = list(answers)

    def counts(self, _batch_id: int) -> dict[State, int]:
        found = self.answers.pop(0)
        if found is None:
            raise AWAY
        return found


def test_an_outage_is_followed_with_the_last_counts(
    clock: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    half = {State.RUNNING: 1, State.SUCCEEDED: 1}
    store: Any = Flickering(None, half, *[None] * 20, {State.SUCCEEDED: 2})
    batch: Any = SimpleNamespace(id=1, name="night")
    progress = BatchProgress(store=store, batch=batch, alive=60, clock=clock)
    looks: list[None] = []

    def meanwhile() -> None:
        looks.append(None)
        raise AWAY

    last = follow(progress, outage=10, mend="", meanwhile=meanwhile, clock=clock, sleep=clock.tick)
    assert last.finished
    assert last.away is None
    assert len(looks) == 22, "the workers are looked after meanwhile"
    assert [line.partition(",")[0] for line in capsys.readouterr().err.splitlines()] == [
        "night: database away",
        "night: 1/2 done · database away",
        "night: 1/2 done · database away",
        "night: 2/2 done",
    ]


def test_an_outage_without_end_ends_with_what_to_do(clock: Any) -> None:
    store: Any = Flickering(*[None] * 100)
    batch: Any = SimpleNamespace(id=1, name="night")
    progress = BatchProgress(store=store, batch=batch, alive=60, clock=clock)
    with pytest.raises(
        OutageError, match=r"did not answer for 1[01] s: gone; start it; run it again"
    ) as told:
        follow(progress, outage=10, mend="run it again", clock=clock, sleep=clock.tick)
    assert told.value.exit_code == 7


def test_a_standstill_is_explained_after_a_while(clock: Any, looks: list[None]) -> None:
    still: dict[State, int] = {State.QUEUED: 2}
    progress = made(clock, *[still] * 21, still | {State.RUNNING: 1}, still)
    reasons = []
    for _ in range(21):
        reasons.append(progress.snapshot().reason)
        clock.tick(STILL / 8)
    assert reasons == [None] * 8 + ["no worker is\x1b live"] * 13
    assert len(looks) == 2, "not at every look"
    assert progress.snapshot().reason is None, "one runs"
    clock.tick(STILL)
    assert progress.snapshot().reason is None, "not yet again"
    clock.tick(STILL)
    assert line(progress.snapshot()).endswith(" · queued 2 · no worker is\\x1b live")


@pytest.mark.parametrize(("why", "shown"), [("waits: full", "waits: full"), ("no worker", None)])
def test_running_jobs_may_wait_to_be_saved(
    clock: Any, monkeypatch: pytest.MonkeyPatch, why: str, shown: str | None
) -> None:
    """While some run, the others may wait for anything: that is not said."""
    monkeypatch.setattr("jobs.monitoring.progress.standstill", lambda *_, **__: why)
    progress = made(clock, {State.QUEUED: 2, State.RUNNING: 1})
    assert progress.snapshot().reason is None
    clock.tick(STILL)
    assert progress.snapshot().reason == shown


def test_what_came_of_nothing(clock: Any) -> None:
    def fruitless(**counts: int) -> bool:
        states = {State(name): number for name, number in counts.items()}
        return made(clock, states).snapshot().fruitless

    assert fruitless(failed=1, succeeded=3)
    assert fruitless(cancelled=2)
    assert not fruitless(cancelled=2, succeeded=1)
    assert not fruitless()


def test_backoff_doubles_up_to_its_limit() -> None:
    delay = exponential(5)
    assert [delay(n) for n in (1, 2, 3)] == [5, 10, 20]
    assert delay(1000) == LONGEST
