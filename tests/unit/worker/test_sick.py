"""A sick worker on a real store: what it gives back, pauses and tries again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from jobs.domain.attempts import Claim
from jobs.domain.workers import WorkerCard
from tests.unit.worker.stub import Bench, StubEngine
from worker.engine.pool import ModelPool
from worker.errors import DeviceFaultError, EngineLoadError, NotFiniteError

ASSERT = "CUDA error: device-side assert triggered\nCUDA kernel errors might be reported later"


def breaking(error: Callable[[], Exception], *names: str) -> Callable[[str, Sequence[Claim]], None]:
    """Fails each pack that has one of these jobs, or every pack."""

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and (not names or {claim.custom_id for claim in claims} & set(names)):
            raise error()

    return sabotage


def broken() -> Exception:
    return RuntimeError("no such library")


def device_fault() -> Exception:
    return torch.AcceleratorError(ASSERT)


def another_device(bench: Bench, **offer: Any) -> int:
    """A live worker on another device that by default takes the same jobs."""
    card = WorkerCard(
        offer=replace(bench.offer, **offer), host="other", pid=None, device="cpu", card="CPU",
        dtype="float32", nvlink=False, queues=(),
    )  # fmt: skip
    return bench.store.workers.register(card)


def pauses(bench: Bench) -> list[tuple[str, str, str]]:
    """The pauses in the worker's registration."""
    (row,) = (
        row for row in bench.store.workers.rows(alive=1e9, all=True) if row.id == bench.worker_id
    )
    return [(p.scope.value, p.subject, p.reason) for p in row.registration.offer.pauses]


def failing_probe(bench: Bench) -> None:
    def probe(claim: Claim) -> None:
        bench.probed.append(claim)
        if bench.engine.sabotage is not healthy:
            raise OSError("broken")

    bench.health._probe = probe


def healthy(_phase: str, _claims: Sequence[Claim]) -> None:
    pass


def test_a_sick_worker_pauses_and_takes_no_more_jobs(bench: Bench) -> None:
    another_device(bench)
    bench.insert(*"abcdefghijklmnopqrst")
    bench.engine.sabotage = breaking(broken)
    failing_probe(bench)
    assert bench.loop().poll() == 8
    reason = "h: 8 jobs in a row failed, the last with RuntimeError: no such library"
    assert pauses(bench) == [("worker", "", reason)]
    failed = bench.rows("SELECT 1 FROM attempts")
    assert len(failed) == 8, "one pack"
    assert len(bench.probed) == 1


def test_it_comes_back_when_a_probe_passes(bench: Bench) -> None:
    another_device(bench)
    bench.insert(*"abcdefghij")
    bench.engine.sabotage = breaking(broken)
    failing_probe(bench)
    loop = bench.loop()
    loop.poll()
    bench.clock.tick(4)
    loop.poll()
    assert len(bench.probed) == 1, "the next probe is in 5 s"
    bench.clock.tick(1)
    loop.poll()
    assert len(bench.probed) == 2
    bench.engine.sabotage = healthy
    bench.clock.tick(10)
    assert loop.poll() == 2, "those that it has not failed before"
    assert pauses(bench) == []
    bench.clock.tick(60)
    assert loop.poll() == 8
    assert set(bench.states().values()) == {"succeeded"}


def test_three_packs_of_one_job_are_enough(bench: Bench) -> None:
    bench.insert(*"abcdef")
    bench.engine.sabotage = breaking(broken)
    failing_probe(bench)
    assert bench.loop(settings=replace(bench.settings, pack=1)).poll() == 3
    assert len(pauses(bench)) == 1


def test_one_job_that_fails_again_and_again_makes_nobody_sick(bench: Bench) -> None:
    bench.insert("a", limit=9)
    bench.engine.sabotage = breaking(broken)
    loop = bench.loop()
    for _ in range(8):
        loop.poll()
        bench.clock.tick(301)
    assert bench.probed == []


def test_a_success_between_starts_the_count_anew(bench: Bench) -> None:
    bench.insert(*"abcdefgh")
    bench.engine.sabotage = breaking(broken, "a", "b", "d", "e", "g")
    bench.loop(settings=replace(bench.settings, pack=1)).poll()
    assert bench.probed == []


@pytest.mark.parametrize("error", [MemoryError, lambda: NotFiniteError([0])])
def test_what_the_jobs_do_wrong_makes_no_worker_sick(
    bench: Bench, error: Callable[[], Exception]
) -> None:
    bench.insert(*"abcdefgh")
    bench.engine.sabotage = breaking(error)
    bench.loop().poll()
    assert bench.probed == []
    assert pauses(bench) == []


@pytest.mark.parametrize("other", [{}, {"modes": ("lite",)}])
def test_alone_with_a_probe_that_passes_it_goes_on_and_the_jobs_are_to_blame(
    bench: Bench, other: dict[str, Any]
) -> None:
    """Also beside a worker that cannot take them."""
    if other:
        another_device(bench, **other)
    bench.insert(*"abcdefghijkl", limit=1)
    bench.insert("z")
    bench.engine.sabotage = breaking(broken, *"abcdefghijkl")
    bench.loop(settings=replace(bench.settings, pack=2)).poll()
    assert bench.states().pop("z") == "succeeded"
    assert list(bench.states().values()).count("failed") == 12
    assert len(bench.probed) == 6


def test_beside_others_it_waits_longer_each_time_before_it_tries_again(bench: Bench) -> None:
    """The probe passes but the jobs fail: others get the time to take them."""
    another_device(bench)
    bench.insert(*"abcdefgh")
    bench.engine.sabotage = breaking(broken)
    loop = bench.loop(settings=replace(bench.settings, pack=2))
    assert loop.poll() == 4, "the first probe comes at once, the second one does not"
    assert (len(bench.probed), len(pauses(bench))) == (1, 1)
    bench.clock.tick(5)
    assert loop.poll() == 2
    bench.clock.tick(5)
    assert loop.poll() == 0
    bench.clock.tick(5)
    assert loop.poll() == 2


# --- engines that cannot be loaded ---------------------------------------------------------------


def pool_of(bench: Bench, *, missing: list[str]) -> ModelPool:
    """Two modes; those in `missing` cannot be loaded."""

    def load(mode: str) -> StubEngine:
        if mode in missing:
            raise FileNotFoundError(f"{mode}/weights.safetensors")
        return replace(bench.engine, mode=mode)

    keys = [("null", "full"), ("null", "lite")]
    return ModelPool(
        engines={key: lambda key=key: load(key[1]) for key in keys},
        room=dict.fromkeys(keys, bench.offer.memory_bytes),
        clock=bench.clock,
    )


def test_an_engine_that_cannot_be_loaded_costs_no_attempt_and_other_engines_go_on(
    bench: Bench,
) -> None:
    bench.insert("a", "b")
    bench.insert("c", mode="lite")
    missing = ["full"]
    loop = bench.loop(pool=pool_of(bench, missing=missing))
    loop.poll()
    assert bench.states() == {"a": "queued", "b": "queued", "c": "succeeded"}
    row = bench.job("a")
    reason = "null full cannot be loaded: FileNotFoundError: full/weights.safetensors"
    assert (row["attempt"], row["attempt_limit"], row["error"]) == (1, 4, reason)
    assert pauses(bench) == [("model", "null full", f"h: {reason}")]
    loop.poll()
    assert bench.job("a")["attempt"] == 1, "it is not claimed while it cannot be loaded"
    missing.clear()
    bench.clock.tick(5)
    loop.poll()
    assert pauses(bench) == []
    assert set(bench.states().values()) == {"succeeded"}


def test_a_pipeline_that_cannot_be_loaded_again_in_mid_pack_costs_no_attempt(bench: Bench) -> None:
    """The float32 reload of a pack; the engine is loaded anew afterwards."""
    bench.insert("a", "b")
    error = EngineLoadError("null", "full", "FileNotFoundError: weights")
    bench.engine.sabotage = breaking(lambda: error)
    loop = bench.loop()
    loop.poll()
    assert bench.engine.closed
    assert [bench.job(name)["attempt_limit"] for name in "ab"] == [4, 4]
    assert pauses(bench)[0][:2] == ("model", "null full")
    bench.engine.sabotage = healthy
    bench.clock.tick(5)
    loop.poll()
    assert set(bench.states().values()) == {"succeeded"}


# --- faults of the device ------------------------------------------------------------------------


def test_a_device_fault_ends_the_worker_and_counts_against_none_of_a_pack(bench: Bench) -> None:
    bench.insert(*"abc")
    bench.engine.sabotage = breaking(device_fault, "b")
    with pytest.raises(DeviceFaultError, match="device-side assert") as raised:
        bench.loop().poll()
    assert raised.value.exit_code == 76
    assert len(bench.engine.packs) == 1, "nothing more is run on such a device"
    for name in "abc":
        row = bench.job(name)
        assert (row["state"], row["attempt_limit"], row["suspect"]) == ("queued", 4, True)
        assert row["error"].startswith("device fault: AcceleratorError: CUDA error: device-side")


def test_it_counts_against_a_job_that_was_alone(bench: Bench) -> None:
    bench.insert("a")
    bench.engine.sabotage = breaking(device_fault)
    with pytest.raises(DeviceFaultError):
        bench.loop().poll()
    row = bench.job("a")
    assert (row["attempt_limit"], row["failure"], row["suspect"]) == (3, "error", True)


def test_it_counts_against_a_job_that_was_in_hand_on_a_second_device(bench: Bench) -> None:
    bench.insert("a", "b")
    bench.engine.sabotage = breaking(device_fault)
    with pytest.raises(DeviceFaultError):
        bench.loop().poll()
    bench.worker_id = another_device(bench)
    with pytest.raises(DeviceFaultError):
        bench.loop().poll()
    assert [(bench.job(n)["attempt"], bench.job(n)["attempt_limit"]) for n in "ab"] == [(2, 4)] * 2
    assert [bench.job(n)["failure"] for n in "ab"] == ["error", "error"]


def test_on_one_device_the_guilty_job_ends_failed_and_all_others_succeed(bench: Bench) -> None:
    """Each fault restarts the worker; packs of suspects get smaller until one is alone."""
    bench.insert(*"abcdefgh")
    bench.engine.sabotage = breaking(device_fault, "d")
    faults = 0
    while {"queued"} & set(bench.states().values()):
        try:
            bench.loop().poll()
        except DeviceFaultError:
            faults += 1
        bench.clock.tick(301)
    states = bench.states()
    assert states.pop("d") == "failed"
    assert set(states.values()) == {"succeeded"}
    assert bench.job("d")["failure"] == "error"
    assert faults <= 5
    for name in "abcefgh":
        row = bench.job(name)
        tries = bench.rows("SELECT outcome FROM attempts WHERE job_id = :id", id=row["id"])
        assert "failed" not in {one["outcome"] for one in tries}


def test_results_before_a_fault_are_kept(bench: Bench) -> None:
    """A pack that failed otherwise runs in halves; the fault comes in the second."""
    bench.insert(*"abcd")

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step" and len(claims) == 4:
            raise RuntimeError("too many")
        if phase == "step" and claims[0].custom_id == "c":
            raise device_fault()

    bench.engine.sabotage = sabotage
    with pytest.raises(DeviceFaultError):
        bench.loop().poll()
    assert bench.states() == {"a": "succeeded", "b": "succeeded", "c": "queued", "d": "queued"}


def test_what_was_not_in_hand_is_no_suspect(bench: Bench) -> None:
    bench.insert(*"abcd")

    def sabotage(phase: str, claims: Sequence[Claim]) -> None:
        if phase == "step":
            raise RuntimeError("too many") if len(claims) == 4 else device_fault()

    bench.engine.sabotage = sabotage
    with pytest.raises(DeviceFaultError):
        bench.loop().poll()
    assert [bench.job(name)["suspect"] for name in "abcd"] == [True, True, False, False]


def test_a_fault_while_loading_ends_the_worker_and_blames_no_job(bench: Bench) -> None:
    bench.insert("a")

    def load() -> StubEngine:
        raise device_fault()

    key = ("null", "full")
    pool = ModelPool(engines={key: load}, room={key: bench.offer.memory_bytes})
    with pytest.raises(DeviceFaultError):
        bench.loop(pool=pool).poll()
    assert (bench.job("a")["attempt_limit"], bench.job("a")["suspect"]) == (4, False)


def test_a_fault_in_a_probe_ends_the_worker(bench: Bench) -> None:
    bench.insert(*"abc")
    bench.engine.sabotage = breaking(broken)

    def probe(_claim: Claim) -> None:
        raise device_fault()

    bench.health._probe = probe
    with pytest.raises(DeviceFaultError):
        bench.loop().poll()


# --- memory that others use ----------------------------------------------------------------------


def test_memory_that_another_process_took_costs_no_attempt_and_no_larger_class(
    bench: Bench,
) -> None:
    bench.insert("a", "b")
    bench.engine.sabotage = breaking(MemoryError)
    bench.shortage = "other processes use 20 GiB"
    loop = bench.loop()
    loop.poll()
    for name in "ab":
        row = bench.job(name)
        assert (row["state"], row["attempt_limit"], row["class_gib"]) == ("queued", 4, 24)
        assert row["error"] == "other processes use 20 GiB"
    assert pauses(bench) == [("worker", "", "h: other processes use 20 GiB")]
    bench.clock.tick(5)
    assert loop.poll() == 0
    bench.shortage, bench.engine.sabotage = None, healthy
    bench.clock.tick(5)
    assert loop.poll() == 2
    assert pauses(bench) == []
    assert set(bench.states().values()) == {"succeeded"}


def test_a_probe_that_hangs_meets_the_deadline(bench: Bench) -> None:
    bench.insert(*"abc")
    bench.engine.sabotage = breaking(broken)

    def probe(_claim: Claim) -> None:
        bench.clock.tick(bench.settings.deadline + 1)
        bench.keeper.check(renew=True)

    bench.health._probe = probe
    bench.loop().poll()
    assert bench.ended == [[]], "no job is in hand"


def test_a_draining_worker_probes_no_more(bench: Bench) -> None:
    another_device(bench)
    bench.insert(*"abc")
    bench.engine.sabotage = breaking(broken)
    failing_probe(bench)
    loop = bench.loop()
    loop.poll()
    bench.draining.set()
    bench.clock.tick(301)
    loop.poll()
    assert len(bench.probed) == 1
