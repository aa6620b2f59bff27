"""Packs in hand at the same time: one is claimed ahead, one sampled, one finished."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch

from jobs.domain.attempts import Claim
from jobs.domain.pauses import PauseScope
from jobs.errors import OutageError, UnreachableError
from tests.unit.worker.stub import Bench
from tests.waiting import HUNG, until
from worker.errors import DeviceFaultError
from worker.loop import WorkLoop

#: Seconds of a step: long enough to be worth a prefetch, and few enough to be near the end.
STEP = 0.1


class Overlap:
    """A loop with packs of two jobs, in which things happen at steps of its packs.

    Attributes:
        at: first job of a pack → called at its last step, once the next pack is claimed.
        elsewhere: called with every other phase and its claims.
        begun: first job of each pack that was sampled.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.at: dict[str, Callable[[], None]] = {}
        self.elsewhere: Callable[[str, Sequence[Claim]], None] = lambda *_: None
        self.begun: list[str] = []
        bench.engine.sabotage = self._sabotage
        self._steps = 0

    def loop(self, pack: int = 2) -> WorkLoop:
        return self.bench.loop(settings=replace(self.bench.settings, pack=pack))

    def running(self) -> set[str]:
        return {name for name, state in self.bench.states().items() if state == "running"}

    def claimed(self, *names: str) -> None:
        """Wait until jobs are claimed."""
        until(lambda: self.running() >= set(names), f"{names} are claimed")

    def _sabotage(self, phase: str, claims: Sequence[Claim]) -> None:
        if phase != "step":
            self.elsewhere(phase, claims)
            return
        self.bench.clock.tick(STEP)
        head = claims[0].custom_id
        if self.begun[-1:] != [head]:
            self.begun.append(head)
            self._steps = 0
        self._steps += 1
        if self._steps % claims[0].steps == 0 and head in self.at:
            self.at[head]()


@pytest.fixture
def overlap(bench: Bench) -> Overlap:
    return Overlap(bench)


def attempts(bench: Bench) -> dict[str, list[str]]:
    rows = bench.rows(
        "SELECT custom_id, outcome FROM attempts JOIN jobs ON jobs.id = job_id ORDER BY attempts.id"
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["custom_id"], []).append(row["outcome"])
    return found


def test_the_next_pack_is_claimed_and_prepared_while_one_is_sampled(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")
    bench.engine.prepared = "prepared"
    overlap.at["a"] = lambda: overlap.claimed("c", "d")
    assert overlap.loop().poll() == 4
    assert overlap.begun == ["a", "c"]
    assert bench.engine.given == [None, "prepared"]
    assert set(bench.states().values()) == {"succeeded"}


def test_a_pack_that_cannot_be_prepared_is_sampled_all_the_same(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")

    def fails(phase: str, _claims: Sequence[Claim]) -> None:
        if phase == "prepare":
            raise MemoryError

    overlap.elsewhere = fails
    overlap.at["a"] = lambda: overlap.claimed("c", "d")
    assert overlap.loop().poll() == 4
    assert set(bench.states().values()) == {"succeeded"}


def test_the_last_pack_is_decoded_and_saved_while_one_is_sampled(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")
    sampled = threading.Event()

    def waits(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "decode" and claims[0].custom_id == "a":
            assert sampled.wait(HUNG)

    overlap.elsewhere = waits
    overlap.at["c"] = sampled.set
    assert overlap.loop().poll() == 4
    assert set(bench.states().values()) == {"succeeded"}
    assert bench.files() == {f"{name}_s0.npz" for name in "abcd"}


def test_leases_of_packs_in_every_phase_are_renewed(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcdef")
    sampled = threading.Event()
    left: dict[str, float] = {}

    def waits(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "decode" and claims[0].custom_id == "a":
            assert sampled.wait(HUNG)

    def renew() -> None:
        overlap.claimed(*"abcdef")
        bench.clock.tick(bench.settings.lease / 2)
        bench.stamp.touch()
        bench.keeper.check(renew=True)
        rows = bench.rows("SELECT custom_id, lease_until FROM jobs")
        left.update({row["custom_id"]: row["lease_until"] - bench.clock.time for row in rows})
        sampled.set()

    overlap.elsewhere = waits
    overlap.at["c"] = renew
    assert overlap.loop().poll() == 6
    assert left == dict.fromkeys("abcdef", bench.settings.lease)


def test_a_worker_that_hangs_fails_only_what_has_begun(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")

    def hang() -> None:
        overlap.claimed("c", "d")
        bench.clock.tick(bench.settings.deadline + 1)
        bench.keeper.check(renew=True)
        assert {claim.custom_id for claim in bench.keeper.unbegun} == {"c", "d"}

    overlap.at["a"] = hang
    overlap.loop().poll()
    assert [[claim.custom_id for claim in claims] for claims in bench.ended] == [["a", "b"]]


def test_draining_gives_back_what_has_not_begun(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")

    def drain() -> None:
        overlap.claimed("c", "d")
        bench.draining.set()

    overlap.at["a"] = drain
    assert overlap.loop().poll() == 2
    assert bench.states() == {
        "a": "succeeded", "b": "succeeded", "c": "queued", "d": "queued"
    }  # fmt: skip
    assert attempts(bench)["c"] == ["released"]
    assert bench.job("c")["attempt_limit"] - bench.job("c")["attempt"] == 3
    assert bench.keeper.job_ids == frozenset()


def test_a_paused_worker_gives_back_what_has_not_begun(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")

    def pause() -> None:
        overlap.claimed("c", "d")
        bench.pauses.begin(PauseScope.WORKER, "", "sick")

    overlap.at["a"] = pause
    assert overlap.loop().poll() == 2
    assert overlap.begun == ["a"]
    assert attempts(bench)["c"] == ["released"]


def test_a_job_that_is_cancelled_or_lost_before_it_begins_is_not_sampled(
    overlap: Overlap,
) -> None:
    bench = overlap.bench
    numbers = bench.insert(*"abcde")

    def lose() -> None:
        overlap.claimed("d", "e")
        bench.store.control.cancel([numbers["d"]])

    overlap.at["a"] = lose
    assert overlap.loop(pack=3).poll() == 4
    assert bench.states()["d"] == "cancelled"
    assert bench.states()["e"] == "succeeded"
    assert bench.engine.packs == [["a", "b", "c"], ["e"]]


def test_an_urgent_job_goes_before_a_pack_that_was_claimed_ahead(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")

    def submit() -> None:
        overlap.claimed("c", "d")
        bench.insert("u", batch="soon", priority=100)

    overlap.at["a"] = submit
    assert overlap.loop().poll() == 5
    assert bench.engine.packs == [["a", "b"], ["u"], ["c", "d"]]
    assert set(bench.states().values()) == {"succeeded"}
    assert {len(outcomes) for outcomes in attempts(bench).values()} == {1}


def test_a_failure_is_settled_before_the_next_pack_begins(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert(*"abcd", limit=1)
    states: list[dict[str, str]] = []

    def fail() -> None:
        overlap.claimed("c", "d")
        raise RuntimeError("broken")

    overlap.at["a"] = fail
    overlap.at["c"] = lambda: states.append(bench.states())
    overlap.loop().poll()
    assert (states[0]["a"], states[0]["c"]) == ("failed", "running")


def test_jobs_that_fail_last_are_tried_again_in_the_same_round(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.settings = replace(bench.settings, backoff=0.0)
    bench.insert(*"ab")
    failed: list[str] = []

    def once(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "decode" and not failed:
            failed.append("once")
            raise MemoryError

    overlap.elsewhere = once
    assert overlap.loop(pack=1).poll() == 3
    assert set(bench.states().values()) == {"succeeded"}


def test_an_outage_that_does_not_end_is_raised_though_another_thread_met_it(
    overlap: Overlap, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = overlap.bench
    bench.insert(*"abcd")

    def gone(*_args: object, **_kwargs: object) -> object:
        raise UnreachableError("database", "sqlite:///x", "locked", "wait")

    monkeypatch.setattr(bench.store.completion, "succeed", gone)
    with pytest.raises(OutageError):
        overlap.loop().poll()
    assert bench.keeper.job_ids == frozenset()


def test_a_device_that_fails_under_two_packs_blames_neither_alone(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert("a", "b")
    sampling = threading.Event()

    def fault(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "decode" and claims[0].custom_id == "a":
            assert sampling.wait(HUNG)
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    def begun() -> None:
        sampling.set()
        until(lambda: attempts(bench)["a"][0] != "running", "the attempt of a is ended")

    overlap.elsewhere = fault
    overlap.at["b"] = begun
    with pytest.raises(DeviceFaultError):
        overlap.loop(pack=1).poll()
    assert bench.job("a")["attempt_limit"] - bench.job("a")["attempt"] == 3  # uncounted
    assert bench.states()["b"] == "succeeded"
    assert bench.keeper.job_ids == frozenset()


def test_a_suspect_is_sampled_while_no_other_pack_is_on_the_device(overlap: Overlap) -> None:
    bench = overlap.bench
    bench.insert("s", batch="first")
    bench.claim(limit=1)
    bench.store.leases.expire_worker(bench.worker_id, "it ended", backoff=lambda _: 0.0)
    bench.store.workers.heartbeat(bench.worker_id)
    bench.clock.tick(11)
    bench.insert(*"abcdef", batch="second")
    working: list[int] = []
    overlap.at["s"] = lambda: working.append(len(bench.keeper.working))
    assert overlap.loop(pack=1).poll() == 7
    assert working == [1]
