"""The work loop on a real store: claims packs, runs them on a stub engine, writes results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.domain.attempts import Claim
from jobs.domain.memory import GIB
from jobs.errors import OutageError, UnreachableError
from tests.unit.worker.stub import Bench, StubEngine
from worker.engine.pool import ModelPool


def on_step(bench: Bench, act: Callable[[], None], *, at: int = 1) -> None:
    """Do something at a solver step."""

    def sabotage(phase: str, _claims: Sequence[Claim]) -> None:
        if phase == "step" and bench.engine.steps == at:
            act()

    bench.engine.sabotage = sabotage


def test_one_message_takes_everything_there_is(bench: Bench) -> None:
    numbers = bench.insert(*"abcdefghij")
    assert bench.loop().on_message(numbers["a"]) == 10
    assert set(bench.states().values()) == {"succeeded"}
    assert bench.engine.packs == [list("abcdefgh"), list("ij")]
    assert bench.files() == {f"{name}_s0.npz" for name in "abcdefghij"}


def test_the_job_of_the_message_waits_for_its_turn(bench: Bench) -> None:
    numbers = bench.insert(*"abc")
    bench.loop(settings=replace(bench.settings, pack=2)).on_message(numbers["c"])
    assert bench.engine.packs == [["a", "b"], ["c"]]


def test_batches_take_turns_whatever_job_a_message_names(bench: Bench) -> None:
    first = bench.insert("a0", "a1", "a2", "a3", batch="huge")
    bench.insert("b0", batch="small")
    bench.loop(settings=replace(bench.settings, pack=1)).on_message(first["a3"])
    assert bench.engine.packs == [["a0"], ["b0"], ["a1"], ["a2"], ["a3"]]


def test_suspects_leave_the_turn_of_the_others(bench: Bench) -> None:
    lost = bench.insert("s0", "s1", batch="first")
    bench.claim()
    bench.store.leases.expire_worker(bench.worker_id, "it ended", backoff=lambda _: 0.0)
    bench.store.workers.heartbeat(bench.worker_id)
    for name in "abcd":
        bench.insert(*(f"{name}{number}" for number in range(2)), batch=name)
    loop = bench.loop(settings=replace(bench.settings, pack=1))
    assert loop.poll() == 8 + len(lost)
    healthy = [name for (name,) in bench.engine.packs if name not in lost]
    assert healthy == ["a0", "b0", "c0", "d0", "a1", "b1", "c1", "d1"]
    assert bench.engine.packs[3] in [[name] for name in lost]


def test_a_message_for_a_job_that_is_taken_or_done_asks_for_nothing(bench: Bench) -> None:
    numbers = bench.insert("a", "b")
    bench.claim(job_id=numbers["a"], limit=1)
    assert bench.loop().on_message(numbers["a"]) == 0
    assert bench.states() == {"a": "running", "b": "queued"}
    assert bench.loop().on_message(987_654) == 0


def test_figures_of_the_pack_are_in_sql(bench: Bench) -> None:
    numbers = bench.insert("a", "b")
    bench.clock.tick(5)
    bench.loop(load=3.0).on_message(numbers["a"])
    row = bench.job("b")
    assert row["queue_s"] == 5
    assert row["load_s"] == 1.5
    assert row["peak_memory_bytes"] == 7 * GIB
    assert None not in {row["encode_s"], row["sample_s"], row["decode_s"], row["save_s"]}
    tries = bench.rows("SELECT * FROM attempts")
    assert {(one["pack_size"], one["outcome"], one["load_s"]) for one in tries} == {
        (2, "succeeded", 1.5)
    }


def test_loading_is_booked_once(bench: Bench) -> None:
    numbers = bench.insert("a", "b")
    bench.loop(load=3.0, settings=replace(bench.settings, pack=1)).on_message(numbers["a"])
    assert (bench.job("a")["load_s"], bench.job("b")["load_s"]) == (3.0, 0.0)


def test_loading_is_booked_on_the_next_pack_if_all_jobs_of_the_first_fail(bench: Bench) -> None:
    bench.insert("a", "b", limit=1)

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and claims[0].custom_id == "a":
            raise RuntimeError("broken")

    bench.engine.sabotage = sabotage
    bench.loop(load=3.0, settings=replace(bench.settings, pack=1)).poll()
    assert (bench.job("a")["load_s"], bench.job("b")["load_s"]) == (None, 3.0)


def test_leases_live_on_while_a_model_is_loaded(bench: Bench) -> None:
    numbers = bench.insert("a")
    left = []

    def load() -> StubEngine:
        bench.clock.tick(bench.settings.stall + 1)
        bench.keeper.check(renew=True)
        left.append(bench.job("a")["lease_until"] - bench.clock.time)
        return bench.engine

    pool = ModelPool(
        engines={("null", "full"): load}, room={("null", "full"): bench.offer.memory_bytes}
    )
    bench.loop(pool=pool).on_message(numbers["a"])
    assert left == [bench.settings.lease]


def test_memory_bounds_the_pack(bench: Bench) -> None:
    """Weights and loader are there once (13.3 GB); each motion takes the rest of its class."""
    numbers = bench.insert(*"abcdefgh")
    bench.offer = replace(bench.offer, memory_bytes=64 * GIB)
    bench.loop().on_message(numbers["a"])
    fixed = 13_300_000_000
    fit = (64 * GIB - fixed) // (24 * GIB - fixed)
    assert [len(pack) for pack in bench.engine.packs] == [fit, fit] == [4, 4]


def test_draining_ends_after_the_pack_in_hand(bench: Bench) -> None:
    numbers = bench.insert(*"abcd")
    on_step(bench, bench.draining.set)
    assert bench.loop(settings=replace(bench.settings, pack=2)).on_message(numbers["a"]) == 2
    assert bench.states() == {"a": "succeeded", "b": "succeeded", "c": "queued", "d": "queued"}
    assert bench.loop().on_message(numbers["c"]) == 0


def test_the_loop_ends_after_its_time(bench: Bench) -> None:
    numbers = bench.insert(*"abc")
    on_step(bench, lambda: bench.clock.tick(601))
    assert bench.loop(settings=replace(bench.settings, pack=1)).on_message(numbers["a"]) == 1


def test_the_whole_pack_cancelled_stops_at_the_step(bench: Bench) -> None:
    numbers = bench.insert("a", "b", steps=50)

    def cancel() -> None:
        bench.store.control.cancel(list(numbers.values()))
        bench.keeper.check(renew=False)

    on_step(bench, cancel, at=3)
    bench.loop().on_message(numbers["a"])
    assert bench.engine.steps == 3
    assert bench.states() == {"a": "cancelled", "b": "cancelled"}
    assert bench.files() == set()
    assert {one["outcome"] for one in bench.rows("SELECT * FROM attempts")} == {"cancelled"}


def test_one_cancelled_of_a_pack_leaves_no_file_and_the_others_go_on(bench: Bench) -> None:
    numbers = bench.insert("a", "b", steps=5)

    def cancel() -> None:
        bench.store.control.cancel([numbers["b"]])
        bench.keeper.check(renew=False)

    on_step(bench, cancel)
    bench.loop().on_message(numbers["a"])
    assert bench.engine.steps == 5
    assert bench.states() == {"a": "succeeded", "b": "cancelled"}
    assert bench.files() == {"a_s0.npz"}


def test_a_cancelled_pack_that_fails_is_not_run_again(bench: Bench) -> None:
    numbers = bench.insert("a", "b", "c", steps=5)

    def cancel() -> None:
        bench.store.control.cancel([numbers["b"], numbers["c"]])
        bench.keeper.check(renew=False)

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and bench.engine.steps == 1:
            cancel()
        if phase == "step" and len(claims) > 1 and bench.engine.steps > 1:
            raise RuntimeError("too many")

    bench.engine.sabotage = sabotage
    bench.loop().on_message(numbers["a"])
    assert bench.states() == {"a": "succeeded", "b": "cancelled", "c": "cancelled"}
    assert bench.engine.packs == [["a", "b", "c"], ["a"]]
    assert bench.files() == {"a_s0.npz"}


def refused(caplog: pytest.LogCaptureFixture) -> int:
    """The number of log lines about refused results."""
    return sum("its result is refused" in record.getMessage() for record in caplog.records)


def test_a_result_whose_lease_was_lost_is_refused(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = bench.insert("a", "b")

    def lose() -> None:
        bench.clock.tick(91)
        bench.store.leases.expire(backoff=lambda _: 1000)

    on_step(bench, lose)  # and the keeper does not notice, as after a SIGSTOP
    bench.loop().on_message(numbers["a"])
    assert bench.states() == {"a": "queued", "b": "queued"}
    assert bench.files() == set()
    assert refused(caplog) == 2


def test_a_lost_job_stops_at_the_next_step_once_known(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = bench.insert("a", steps=50)

    def lose() -> None:
        bench.clock.tick(91)
        bench.store.leases.expire(backoff=lambda _: 1000)
        bench.keeper.check(renew=False)

    on_step(bench, lose, at=4)
    bench.loop().on_message(numbers["a"])
    assert bench.engine.steps == 4
    assert bench.states() == {"a": "queued"}
    assert refused(caplog) == 1


def test_failures_are_tried_again_and_then_end(bench: Bench) -> None:
    numbers = bench.insert("a", limit=2)

    def sabotage(phase: str, _claims: Sequence[Claim]) -> None:
        raise RuntimeError("broken device")

    bench.engine.sabotage = sabotage
    loop = bench.loop()
    loop.on_message(numbers["a"])
    assert bench.job("a")["state"] == "queued"
    assert bench.job("a")["not_before"] == bench.clock.time + bench.settings.backoff
    bench.clock.tick(bench.settings.backoff)
    loop.on_message(numbers["a"])
    row = bench.job("a")
    assert (row["state"], row["failure"], row["attempt"]) == ("failed", "error", 2)
    assert "broken device" in row["error"]


def test_memory_run_out_raises_the_class(bench: Bench) -> None:
    numbers = bench.insert("a")

    def sabotage(phase: str, _claims: Sequence[Claim]) -> None:
        raise MemoryError

    bench.engine.sabotage = sabotage
    bench.loop().on_message(numbers["a"])
    assert (bench.job("a")["state"], bench.job("a")["class_gib"]) == ("queued", 32)


def test_files_that_cannot_be_put_in_place_fail_their_own_job(bench: Bench) -> None:
    numbers = bench.insert("a", "b")

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "write" and claims[0].custom_id == "a":
            # Something takes the final name between saving and renaming.
            (Path(claims[0].output) / "b" / "a_s0.npz" / "in the way").mkdir(parents=True)

    bench.engine.sabotage = sabotage
    bench.loop().on_message(numbers["a"])
    assert bench.states() == {"a": "queued", "b": "succeeded"}
    assert "could not be put in place" in bench.job("a")["error"]
    assert bench.files() == {"b_s0.npz"}


def test_an_outage_while_settling_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = bench.insert("a")
    real = bench.store.completion.succeed
    left = [3]

    def succeed(*args: object, **kwargs: object) -> object:
        if left[0]:
            left[0] -= 1
            raise UnreachableError("database", "sqlite:///x", "locked", "wait")
        return real(*args, **kwargs)  # type: ignore[arg-type]  # as given

    monkeypatch.setattr(bench.store.completion, "succeed", succeed)
    assert bench.loop().on_message(numbers["a"]) == 1
    assert bench.states() == {"a": "succeeded"}


def test_an_outage_without_end_ends_the_loop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = bench.insert("a")

    def gone(*_args: object, **_kwargs: object) -> object:
        raise UnreachableError("database", "sqlite:///x", "locked", "wait")

    monkeypatch.setattr(bench.store.claims, "claim", gone)
    with pytest.raises(OutageError):
        bench.loop().on_message(numbers["a"])


def test_nothing_is_held_between_packs(bench: Bench) -> None:
    numbers = bench.insert("a")
    bench.loop().on_message(numbers["a"])
    bench.clock.tick(10 * bench.settings.deadline)
    bench.keeper.check(renew=True)
    assert bench.ended == []


def test_an_idle_worker_finds_jobs_whose_message_is_gone(bench: Bench) -> None:
    bench.insert(*"abc")
    assert bench.loop().poll() == 3
    assert bench.loop().poll() == 0
