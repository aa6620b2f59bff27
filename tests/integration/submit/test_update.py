"""Rows that changed since they were submitted: replaced with --update, or their priority alone."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select

from jobs.domain.attempts import Claim
from jobs.domain.memory import GIB
from jobs.domain.routing import Offer
from jobs.domain.states import State
from jobs.promptfile.defaults import Defaults
from jobs.store.tables import artifacts, jobs

OFFER = Offer("w", ("full", "lite"), ("tiny", "null"), 80 * GIB)
#: A model whose classes differ by length.
NULL = Defaults(model="null", mode="full")
HEAD = "id,prompt,frames,priority,formats\n"


def rows(desk) -> list:
    with desk.store.engine.connect() as connection:
        return list(connection.execute(select(jobs).order_by(jobs.c.id)))


def fresh(desk, content: str, defaults: Defaults | None = None) -> list:
    """The rows of the same file in a batch that has no jobs yet."""
    path = desk.write(HEAD + content, "fresh.csv")
    made = desk.submit(path, defaults, batch="fresh", cache=False)
    return [row for row in rows(desk) if row.batch_id == made.batch.id]


#: Columns in which a replaced job and a job submitted for the first time differ.
OWN = {"id", "batch_id", "created_at", "queued_at", "published_at"}


def values(row) -> dict:
    return {name: value for name, value in row._mapping.items() if name not in OWN}


def test_update_replaces_queued_rows_as_if_they_were_new(desk) -> None:
    path = desk.write(HEAD + "a,walks,60,0,npz\nb,jumps,60,1,npz\nc,sits,60,0,npz\n")
    desk.submit(path, NULL)
    before = rows(desk)
    content = "a,runs,300,5,npz;bvh\nb,jumps,60,1,npz\nc,sits,60,0,npz\n"
    desk.write(HEAD + content)
    assert desk.submit(path, NULL).changed == 1
    assert [tuple(row) for row in rows(desk)] == [tuple(row) for row in before]
    desk.outbox.chunks.clear()
    found = desk.submit(path, NULL, update=True)
    assert (found.new, found.updated, found.existing, found.changed) == (0, 1, 2, 0)
    after = rows(desk)
    assert [row.id for row in after] == [row.id for row in before]
    assert (after[0].created_at, after[0].queued_at) == (before[0].created_at, before[0].queued_at)
    assert after[0].published_at is not None
    # A longer motion has another class, and its message goes to the queue of that.
    queue = f"hymo.{after[0].mode}.{after[0].class_gib}"
    assert desk.outbox.messages == [(after[0].id, queue)]
    assert after[0].class_gib > before[0].class_gib
    assert [values(row) for row in after] == [values(row) for row in fresh(desk, content, NULL)]
    assert desk.submit(path, NULL, update=True).existing == 3


def test_update_leaves_what_has_begun_and_lists_it(desk, store, register) -> None:
    path = desk.write(HEAD + "a,walks,60,9,npz\nb,jumps,60,0,npz\nc,sits,60,0,npz\n")
    desk.submit(path)
    worker = register()
    (held,) = store.claims.claim(worker, OFFER, limit=1, lease=60)
    store.control.cancel([rows(desk)[1].id])
    desk.write(HEAD + "a,runs,60,9,npz\nb,runs,60,0,npz\nc,runs,60,0,npz\n")
    found = desk.submit(path, update=True)
    assert (found.updated, found.changed) == (1, 2)
    assert sorted(found.changed_rows) == [("a", 0), ("b", 0)]
    assert [row.prompt for row in rows(desk)] == ["walks", "jumps", "runs"]
    # A job that was given back has had its attempt: its row stays as it was claimed.
    store.completion.release([held])
    assert rows(desk)[0].state == State.QUEUED
    assert desk.submit(path, update=True).changed == 2


def test_a_motion_that_exists_is_not_made_again_for_an_update(desk, finish) -> None:
    desk.submit(desk.write(HEAD + "a,walks,60,0,npz\n", "first.csv"))
    finish()
    path = desk.write(HEAD + "a,runs,60,0,npz\nb,hops,60,0,npz\n")
    desk.submit(path)
    desk.write(HEAD + "a,walks,60,0,npz\nb,hops,60,0,npz\n")
    desk.outbox.chunks.clear()
    found = desk.submit(path, update=True)
    assert (found.updated, found.cached, found.existing) == (1, 0, 1)
    assert desk.outbox.messages == []
    done = rows(desk)[1]
    assert (done.state, done.cached_from, done.prompt) == (State.SUCCEEDED, 1, "walks")
    with desk.store.engine.connect() as connection:
        own = connection.execute(select(artifacts).where(artifacts.c.job_id == done.id)).one()
    assert own.path == str(desk.settings.output / "prompts" / "a_s0.npz")
    assert (desk.settings.output / "prompts" / "a_s0.npz").is_file()


@pytest.mark.parametrize("by_hand", [None, 700])
def test_a_row_that_differs_in_priority_alone_changes_that_of_its_queued_job(
    desk, store, register, by_hand: int | None
) -> None:
    path = desk.write(HEAD + "a,walks,60,3,npz\nb,jumps,60,0,npz\nc,sits,60,0,npz\n")
    first = desk.submit(path)
    register()
    if by_hand is not None:
        assert store.control.prioritise(by_hand, batch_id=first.batch.id).changed == 3
        # The file asks for the same as before, so what was set by hand stays.
        assert desk.submit(path).existing == 3
        assert [row.priority for row in rows(desk)] == [by_hand] * 3
    content = "a,walks,60,0,npz\nb,jumps,60,-7,npz\nc,sits,60,0,npz\n"
    desk.write(HEAD + content)
    found = desk.submit(path)
    assert (found.existing, found.changed, found.reprioritised) == (3, 0, 2)
    assert [row.priority for row in rows(desk)] == [0, -7, 0 if by_hand is None else by_hand]
    assert [row.row_hash for row in rows(desk)] == [row.row_hash for row in fresh(desk, content)]
    assert desk.submit(path).reprioritised == 0


def test_the_priority_of_a_finished_job_is_no_change(desk, finish) -> None:
    path = desk.write(HEAD + "a,walks,60,3,npz\n")
    desk.submit(path)
    finish()
    desk.write(HEAD + "a,walks,60,0,npz\n")
    found = desk.submit(path)
    assert (found.existing, found.changed, found.reprioritised) == (1, 0, 0)
    assert rows(desk)[0].priority == 3


def test_an_update_meets_a_worker_that_claims(desk, store, register) -> None:
    number = 60
    body = "".join(f"r{n},walks,60,0,npz\n" for n in range(number))
    path = desk.write(HEAD + body)
    desk.submit(path)
    worker = register()
    claims: list[Claim] = []
    ready = threading.Barrier(2)

    def claim() -> None:
        ready.wait()
        while len(claims) < number // 2:
            claims.extend(store.claims.claim(worker, OFFER, limit=2, lease=60))

    thread = threading.Thread(target=claim)
    thread.start()
    desk.write(HEAD + body.replace("walks", "runs"))
    ready.wait()
    found = desk.submit(path, update=True)
    thread.join()
    assert (found.updated + found.changed, found.new) == (number, 0)
    # A worker makes the motion that its row asks for.
    asked = {row.id: row.prompt for row in rows(desk)}
    assert {claim.job_id: claim.prompt for claim in claims}.items() <= asked.items()
    assert list(asked.values()).count("runs") == found.updated
