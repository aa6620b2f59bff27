"""Workers: registered, seen, draining, stopped, and declared ones."""

from __future__ import annotations

import threading

import pytest

from jobs.errors import NotFoundError
from jobs.store.store import Store


def test_a_registration_comes_back_as_given(farm, clock):
    offer = farm.offer("w", modes=("lite",), max_frames={"lite": 200})
    card = farm.card(offer, pid=None, nvlink=True, tags={"numa": 1, "pcie": "gen4", "x": 0.5})
    number = farm.store.workers.register(card)
    (row,) = farm.store.workers.rows(alive=60)
    assert (row.id, row.state, row.alive, row.running) == (number, "live", True, 0)
    assert row.registration == card
    assert (row.started_at, row.seen_at, row.stopped_at) == (clock(), clock(), None)
    assert farm.store.workers.offers(alive=60) == [offer]


def test_a_worker_not_seen_for_long_is_not_alive(farm, clock):
    worker = farm.worker()
    workers = farm.store.workers
    clock.tick(60)
    assert workers.rows(alive=60)[0].alive
    clock.tick(1)
    assert workers.rows(alive=60) == []
    assert workers.offers(alive=60) == []
    (row,) = workers.rows(alive=60, all=True)
    assert (row.state, row.alive) == ("live", False)
    assert workers.heartbeat(worker.id)
    assert workers.rows(alive=60)[0].seen_at == clock()


def test_a_draining_worker_is_shown_and_offers_nothing(farm):
    worker = farm.worker()
    workers = farm.store.workers
    assert workers.heartbeat(worker.id, state="draining")
    (row,) = workers.rows(alive=60)
    assert (row.state, row.alive) == ("draining", True)
    assert workers.offers(alive=60) == []


def test_a_stopped_worker_stays_stopped(farm, clock):
    worker = farm.worker()
    workers = farm.store.workers
    clock.tick(5)
    workers.stop(worker.id)
    clock.tick(5)
    workers.stop(worker.id)
    assert not workers.heartbeat(worker.id)
    assert not workers.heartbeat(999)
    assert workers.rows(alive=60) == []
    (row,) = workers.rows(alive=60, all=True)
    assert (row.state, row.alive, row.stopped_at) == ("stopped", False, clock() - 5)


def test_running_jobs_are_counted(farm):
    farm.jobs(3)
    busy, _ = farm.worker("busy"), farm.worker("idle")
    farm.succeed(farm.claim(busy))
    farm.claim(busy, limit=2)
    assert [(r.registration.offer.name, r.running) for r in farm.store.workers.rows(alive=60)] == [
        ("busy", 2),
        ("idle", 0),
    ]


def test_declared_workers_count_without_ever_being_seen(farm, clock):
    workers = farm.store.workers
    number = workers.declare(farm.card(farm.offer("rack2", gib=40), pid=None))
    clock.tick(10_000)
    (row,) = workers.rows(alive=60)
    assert (row.id, row.state, row.alive) == (number, "declared", False)
    again = workers.declare(farm.card(farm.offer("rack2", gib=80), card="A100"))
    assert again == number
    assert [o.memory_bytes >> 30 for o in workers.offers(alive=60)] == [80]
    assert workers.rows(alive=60)[0].registration.card == "A100"


def test_a_declaration_is_apart_from_a_live_worker_of_its_name(farm):
    farm.worker("rack2")
    workers = farm.store.workers
    workers.declare(farm.card(farm.offer("rack2")))
    assert [row.state for row in workers.rows(alive=60)] == ["live", "declared"]
    workers.undeclare("rack2")
    assert [row.state for row in workers.rows(alive=60)] == ["live"]
    workers.declare(farm.card(farm.offer("rack2")))


def test_nothing_was_ever_made_on_a_declared_card(farm):
    workers, cards = farm.store.workers, farm.store.history.cards
    workers.declare(farm.card(farm.offer("rack9"), card="H100", pid=None))
    assert (cards(), [offer.declared for offer in workers.offers(alive=60)]) == ((), [True])
    farm.worker("rack2")
    workers.undeclare("rack9")
    assert (cards(), [offer.declared for offer in workers.offers(alive=60)]) == (("A10",), [False])


def test_undeclare_of_an_unknown_name(farm):
    with pytest.raises(NotFoundError, match="none is declared"):
        farm.store.workers.undeclare("rack2")
    farm.store.workers.declare(farm.card(farm.offer("rack1")))
    with pytest.raises(NotFoundError, match="declared are rack1"):
        farm.store.workers.undeclare("rack2")


def test_declaring_by_several_at_once_makes_one(database_url, farm):
    card = farm.card(farm.offer("rack2"))
    start = threading.Barrier(6)

    def declare():
        with Store.open(database_url) as store:
            start.wait()
            store.workers.declare(card)

    threads = [threading.Thread(target=declare) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(farm.store.workers.rows(alive=60)) == 1


def test_registrations_of_a_process(farm, clock):
    def register(**values):
        return farm.store.workers.register(farm.card(farm.offer(), **values))

    register(host="rack1", pid=7)
    clock.tick(100)
    mine = [register(host="rack1", pid=7) for _ in range(2)]
    register(host="rack1", pid=8)
    register(host="rack2", pid=7)
    clock.tick(10)
    assert farm.store.workers.of_process("rack1", 7, age=50) == mine
    assert farm.store.workers.of_process("rack1", 7, age=5) == []
