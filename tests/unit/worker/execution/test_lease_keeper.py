"""The lease keeper, turned by hand; the thread itself at the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.errors import UnreachableError
from tests.unit.worker.stub import Bench
from tests.waiting import HUNG


def held(bench: Bench, *ids: str) -> dict[str, int]:
    numbers = bench.insert(*ids)
    bench.keeper.hold(bench.claim())
    return numbers


def test_a_fresh_stamp_renews_the_leases(bench: Bench) -> None:
    held(bench, "a", "b")
    bench.clock.tick(15)
    bench.keeper.look(renew=True)
    assert {bench.job(name)["lease_until"] for name in "ab"} == {bench.clock.time + 90}


def test_between_renewals_it_only_looks(bench: Bench) -> None:
    held(bench, "a")
    before = bench.job("a")["lease_until"]
    bench.clock.tick(1)
    bench.keeper.look(renew=False)
    assert bench.job("a")["lease_until"] == before


def test_a_stalled_device_loses_its_leases(bench: Bench) -> None:
    held(bench, "a")
    before = bench.job("a")["lease_until"]
    bench.clock.tick(bench.settings.stall + 1)
    bench.keeper.look(renew=True)
    assert bench.job("a")["lease_until"] == before
    bench.stamp.touch()
    bench.keeper.look(renew=True)
    assert bench.job("a")["lease_until"] > before


@pytest.mark.parametrize("renew", [True, False])
def test_cancel_requests_are_seen_on_either_turn(bench: Bench, renew: bool) -> None:
    numbers = held(bench, "a", "b")
    bench.store.control.cancel([numbers["b"]])
    bench.keeper.look(renew=renew)
    assert bench.keeper.gone().cancelled == {numbers["b"]}
    assert bench.keeper.gone().lost == frozenset()


def test_a_cancel_is_seen_while_the_device_stalls(bench: Bench) -> None:
    numbers = held(bench, "a")
    bench.store.control.cancel([numbers["a"]])
    bench.clock.tick(bench.settings.stall + 1)
    bench.keeper.look(renew=True)
    assert bench.keeper.gone().cancelled == {numbers["a"]}


@pytest.mark.parametrize("renew", [True, False])
def test_a_lease_that_ran_out_is_known_as_lost(bench: Bench, renew: bool) -> None:
    numbers = held(bench, "a")
    bench.clock.tick(91)
    bench.store.leases.expire(backoff=lambda _: 0)
    bench.stamp.touch()
    bench.keeper.look(renew=renew)
    assert bench.keeper.gone().lost == {numbers["a"]}
    assert bench.job("a")["state"] == "queued"


def test_a_new_pack_forgets_the_last_one(bench: Bench) -> None:
    numbers = held(bench, "a")
    bench.store.control.cancel([numbers["a"]])
    bench.keeper.look(renew=False)
    bench.clock.tick(50)
    bench.keeper.hold(())
    assert bench.keeper.gone().cancelled == frozenset()
    assert bench.stamp.age() == 0


def test_past_the_deadline_the_process_is_ended(bench: Bench) -> None:
    held(bench, "a")
    bench.clock.tick(bench.settings.deadline)
    bench.keeper.look(renew=True)
    assert bench.ended == []
    bench.clock.tick(1)
    bench.keeper.look(renew=True)
    assert [[claim.custom_id for claim in claims] for claims in bench.ended] == [["a"]]


def test_an_idle_worker_has_no_deadline(bench: Bench) -> None:
    bench.clock.tick(10 * bench.settings.deadline)
    bench.keeper.look(renew=True)
    assert bench.ended == []


def test_the_thread_beats_renews_and_survives_an_outage(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.insert("a")
    claims = bench.claim()
    real = bench.store.leases.renew
    calls = []

    def renew(*args: object, **kwargs: object) -> object:
        calls.append(args)
        if len(calls) == 1:
            raise UnreachableError("database", "sqlite:///x", "locked", "wait")
        found = real(*args, **kwargs)  # type: ignore[arg-type]
        bench.beats.set()
        return found

    monkeypatch.setattr(bench.store.leases, "renew", renew)
    keeper = bench.keep(replace(bench.settings, renew=0.005))
    keeper._heartbeat = lambda: None  # the event tells of a renewal instead
    keeper.hold(claims)
    bench.clock.tick(20)
    bench.stamp.touch()
    keeper.start()
    try:
        assert bench.beats.wait(HUNG)
    finally:
        keeper.stop()
    assert len(calls) >= 2
    assert bench.job("a")["lease_until"] == bench.clock.time + 90


def test_the_thread_beats_without_claims(bench: Bench) -> None:
    keeper = bench.keep(replace(bench.settings, renew=0.005))
    keeper.start()
    try:
        assert bench.beats.wait(HUNG)
    finally:
        keeper.stop()
