"""The lease keeper, called by hand; the thread itself at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from jobs.domain.attempts import Renewal
from jobs.errors import UnreachableError
from tests.unit.worker.stub import Bench
from tests.waiting import HUNG
from worker.errors import KeeperError
from worker.execution.lease_keeper import HeldPack

Held = Callable[..., tuple[HeldPack, dict[str, int]]]


@pytest.fixture
def held(bench: Bench) -> Iterator[Held]:
    """Holds jobs until the test ends: their pack, and the job ids by custom id."""
    with ExitStack() as stack:

        def hold(*ids: str) -> tuple[HeldPack, dict[str, int]]:
            numbers = bench.insert(*ids)
            return stack.enter_context(bench.keeper.hold(bench.claim())), numbers

        yield hold


def test_a_fresh_stamp_renews_the_leases(bench: Bench, held: Held) -> None:
    held("a", "b")
    bench.clock.tick(15)
    bench.keeper.check(renew=True)
    assert {bench.job(name)["lease_until"] for name in "ab"} == {bench.clock.time + 90}


def test_between_renewals_it_only_looks(bench: Bench, held: Held) -> None:
    held("a")
    before = bench.job("a")["lease_until"]
    bench.clock.tick(1)
    bench.keeper.check(renew=False)
    assert bench.job("a")["lease_until"] == before


def test_a_stalled_device_loses_its_leases(bench: Bench, held: Held) -> None:
    held("a")
    before = bench.job("a")["lease_until"]
    bench.clock.tick(bench.settings.stall + 1)
    bench.keeper.check(renew=True)
    assert bench.job("a")["lease_until"] == before
    bench.stamp.touch()
    bench.keeper.check(renew=True)
    assert bench.job("a")["lease_until"] > before


@pytest.mark.parametrize("renew", [True, False])
def test_cancel_requests_are_seen_while_renewing_and_between(
    bench: Bench, held: Held, renew: bool
) -> None:
    pack, numbers = held("a", "b")
    bench.store.control.cancel([numbers["b"]])
    bench.keeper.check(renew=renew)
    assert pack.gone.cancelled == {numbers["b"]}
    assert pack.gone.lost == frozenset()


def test_a_cancel_is_seen_while_the_device_stalls(bench: Bench, held: Held) -> None:
    pack, numbers = held("a")
    bench.store.control.cancel([numbers["a"]])
    bench.clock.tick(bench.settings.stall + 1)
    bench.keeper.check(renew=True)
    assert pack.gone.cancelled == {numbers["a"]}


@pytest.mark.parametrize("renew", [True, False])
def test_a_lease_that_ran_out_is_known_as_lost(bench: Bench, held: Held, renew: bool) -> None:
    pack, numbers = held("a")
    bench.clock.tick(91)
    bench.store.leases.expire(backoff=lambda _: 0)
    bench.stamp.touch()
    bench.keeper.check(renew=renew)
    assert pack.gone.lost == {numbers["a"]}
    assert bench.job("a")["state"] == "queued"


def test_what_is_gone_is_noticed_once(bench: Bench, held: Held) -> None:
    pack, numbers = held("a", "b", "c")
    bench.store.control.cancel([numbers["b"]])
    bench.keeper.check(renew=False)
    assert not pack.stopped(pack.claims[numbers["b"]])
    assert pack.notice() == Renewal(lost=frozenset(), cancelled=frozenset({numbers["b"]}))
    assert pack.notice() == Renewal(lost=frozenset(), cancelled=frozenset())
    assert [pack.stopped(claim) for claim in pack.claims.values()] == [False, True, False]


def test_a_pack_that_is_let_go_is_kept_no_longer(bench: Bench) -> None:
    numbers = bench.insert("a")
    with bench.keeper.hold(bench.claim()) as pack:
        bench.clock.tick(50)
    assert bench.stamp.age() == 0
    before = bench.job("a")["lease_until"]
    bench.store.control.cancel([numbers["a"]])
    bench.keeper.check(renew=True)
    assert pack.gone.cancelled == frozenset()
    assert bench.job("a")["lease_until"] == before


def test_two_packs_are_kept_at_once(bench: Bench) -> None:
    numbers = bench.insert("a", "b")
    first, second = ([claim] for claim in bench.claim())
    with bench.keeper.hold(first) as one:
        with bench.keeper.hold(second) as other:
            bench.clock.tick(15)
            bench.store.control.cancel([numbers["b"]])
            bench.keeper.check(renew=True)
        bench.clock.tick(15)
        bench.keeper.check(renew=True)
    assert (one.gone.cancelled, other.gone.cancelled) == (frozenset(), {numbers["b"]})
    leases = [bench.job(name)["lease_until"] - bench.clock.time for name in "ab"]
    assert leases == [90, 75]


def test_past_the_deadline_the_process_is_ended(bench: Bench, held: Held) -> None:
    held("a")
    bench.clock.tick(bench.settings.deadline)
    bench.keeper.check(renew=True)
    assert bench.ended == []
    bench.clock.tick(1)
    bench.keeper.check(renew=True)
    assert [[claim.custom_id for claim in claims] for claims in bench.ended] == [["a"]]


def test_an_idle_worker_has_no_deadline(bench: Bench) -> None:
    bench.clock.tick(10 * bench.settings.deadline)
    bench.keeper.check(renew=True)
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
        found = real(*args, **kwargs)  # type: ignore[arg-type]  # as given
        bench.beats.set()
        return found

    monkeypatch.setattr(bench.store.leases, "renew", renew)
    keeper = bench.keep(replace(bench.settings, renew=0.005))
    keeper._heartbeat = lambda: None  # the event tells of a renewal instead
    with keeper.hold(claims):
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


def test_jobs_that_left_the_pack_are_not_lost(bench: Bench, held: Held) -> None:
    """Neither when the next check leaves them out, nor when an earlier one reports late."""
    pack, numbers = held("a", "b")
    sent = pack.claims[numbers["a"]]
    bench.store.completion.release([sent])
    bench.keeper.check(renew=True)
    assert pack.gone.lost == {numbers["a"]}
    pack.leave([sent])
    assert pack.notice() == Renewal(lost=frozenset(), cancelled=frozenset())
    bench.keeper.check(renew=True)
    assert pack.gone.lost == frozenset()


@pytest.mark.parametrize("broken", ["heartbeat", "renew"])
def test_the_thread_survives_any_error(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """And a heartbeat that fails keeps no lease from being renewed."""
    bench.insert("a")
    claims = bench.claim()
    keeper = bench.keep(replace(bench.settings, renew=0.005))
    renewed, real, left = threading.Event(), bench.store.leases.renew, [2]

    def fail_first() -> None:
        if left[0] or broken == "heartbeat":
            left[0] = max(0, left[0] - 1)
            raise ValueError("a surprise")

    def renew(*args: object, **kwargs: object) -> object:
        if broken == "renew":
            fail_first()
        found = real(*args, **kwargs)  # type: ignore[arg-type]  # as given
        if left[0] == 0:
            renewed.set()
        return found

    monkeypatch.setattr(bench.store.leases, "renew", renew)
    keeper._heartbeat = fail_first if broken == "heartbeat" else bench.beats.set
    with keeper.hold(claims):
        keeper.start()
        try:
            assert renewed.wait(HUNG)
        finally:
            keeper.stop()
    keeper.require_alive()


def test_a_thread_that_has_died_is_seen(bench: Bench) -> None:
    """What is no `Exception` ends it, and then no job may be claimed."""

    def exit_thread() -> None:
        raise SystemExit("somebody called exit()")

    keeper = bench.keeper = bench.keep(replace(bench.settings, renew=0.005))
    keeper._heartbeat = exit_thread
    numbers = bench.insert("a")
    loop = bench.loop()
    keeper.start()
    keeper._thread.join(HUNG)
    with pytest.raises(KeeperError, match="renews leases has died: somebody called exit"):
        loop.on_message(numbers["a"])
    assert bench.states() == {"a": "queued"}
