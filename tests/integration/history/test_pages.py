"""Pages of history compared with a plain filter and sort of the same rows, on both databases."""

from __future__ import annotations

import base64
import random
from typing import Any

import pytest

from jobs.domain.states import Failure, State
from jobs.store.history import page_query
from jobs.store.history.jobfilter import JobFilter
from jobs.store.history.order import KEYS, Cursor, Order, OrderError

from .conftest import CARDS, T0, WORDS, World

VALUES = {
    "id": "id", "created": "created_at", "finished": "finished_at", "queue": "queue_s",
    "priority": "priority", "peak": "peak_memory_bytes", "skate": "skate_mm",
    "penetration": "penetration_mm", "jitter": "jitter",
}  # fmt: skip


def value(job: dict[str, Any], key: str) -> Any:
    if key == "duration":
        if job["finished_at"] is None or job["started_at"] is None:
            return None
        return job["finished_at"] - job["started_at"]
    return job[VALUES[key]]


def matches(job: dict[str, Any], wanted: JobFilter) -> bool:
    return (
        wanted.batch_id in {None, job["batch_id"]}
        and (not wanted.states or job["state"] in wanted.states)
        and (not wanted.modes or job["mode"] in wanted.modes)
        and (not wanted.cards or job["card"] in wanted.cards)
        and (not wanted.workers or job["worker_name"] in wanted.workers)
        and (not wanted.failures or job["failure"] in wanted.failures)
        and (wanted.since is None or job["created_at"] >= wanted.since)
        and (wanted.until is None or job["created_at"] < wanted.until)
        and (not wanted.grep or wanted.grep.lower() in job["prompt"].lower())
    )


def expected(world: World, wanted: JobFilter, order: Order) -> list[int]:
    found = [job for job in world.jobs if matches(job, wanted)]
    sign = -1 if order.descending else 1
    found.sort(
        key=lambda job: (
            value(job, order.key) is None,
            sign * (value(job, order.key) or 0),
            sign * job["id"],
        )
    )
    return [job["id"] for job in found]


def walk(world: World, wanted: JobFilter, order: Order, limit: int) -> list[int]:
    ids: list[int] = []
    after = None
    while True:
        page = world.store.history.page(wanted, order, limit=limit, after=after)
        assert len(page.rows) <= limit
        ids += [row.id for row in page.rows]
        if page.next is None:
            return ids
        assert len(page.rows) == limit
        after = page.next


def some_filter(random_: random.Random) -> JobFilter:
    def few(values: Any) -> tuple[Any, ...]:
        return tuple(random_.sample(list(values), random_.choice((0, 0, 0, 1, 2))))

    return JobFilter(
        batch_id=random_.choice((None, None, 1, 2)),
        states=few(State),
        modes=few(("full", "lite"))[:1],
        cards=few(CARDS),
        workers=few(("w0", "w1", "nobody")),
        failures=few(Failure)[: random_.randrange(3)],
        since=random_.choice((None, None, T0 + 100)),
        until=random_.choice((None, None, T0 + 250)),
        grep=random_.choice((None, None, *WORDS)),
    )


@pytest.fixture(params=["few", "walk"])
def plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to fetch a page, whatever the number of jobs."""
    if request.param == "walk":
        for name in ("FEW", "FEW_APART", "FEW_WAITING"):
            monkeypatch.setattr(page_query, name, 0)
    return str(request.param)


ORDERS = [Order(key, descending) for key in KEYS for descending in (True, False)]


def test_pages_are_a_filter_and_a_sort(world: World, plan: str) -> None:
    for order in ORDERS:
        random_ = random.Random(f"{order}{plan}")
        for limit, wanted in [(7, JobFilter()), *((13, some_filter(random_)) for _ in range(10))]:
            found = walk(world, wanted, order, limit)
            assert found == expected(world, wanted, order), (order, wanted)


def test_every_filter_narrows(world: World, plan: str) -> None:
    # Ensures that every condition matches some jobs and excludes others.
    everything = len(world.jobs)
    for wanted in (
        JobFilter(batch_id=1), JobFilter(states=(State.FAILED,)), JobFilter(modes=("lite",)),
        JobFilter(cards=(CARDS[1],)), JobFilter(workers=("w2",)), JobFilter(since=T0 + 100),
        JobFilter(failures=(Failure.LOST,)), JobFilter(until=T0 + 100), JobFilter(grep="walks"),
    ):  # fmt: skip
        assert 0 < len(walk(world, wanted, Order(), 50)) < everything


@pytest.mark.parametrize(
    ("text", "word"), [("%", "50%"), ("_", "a_b"), ("\\", "back\\slash"), ("JUMP", "Jumps")]
)
def test_grep_takes_text_as_it_is(world: World, text: str, word: str) -> None:
    found = walk(world, JobFilter(grep=text), Order(), 100)
    assert found == [job["id"] for job in reversed(world.jobs) if word in job["prompt"]]


def test_a_page_holds_still_while_jobs_come(world: World) -> None:
    first = world.store.history.page(JobFilter(), limit=10)
    with world.store.batches.write() as connection:
        connection.exec_driver_sql("UPDATE jobs SET priority = 9 WHERE id = 240")
        connection.exec_driver_sql("DELETE FROM attempts WHERE job_id = 240")
        connection.exec_driver_sql("DELETE FROM artifacts WHERE job_id = 240")
        connection.exec_driver_sql("DELETE FROM jobs WHERE id = 240")
    second = world.store.history.page(JobFilter(), limit=10, after=first.next)
    assert [row.id for row in second.rows] == list(range(230, 220, -1))


def test_all_pages_bring_files(world: World) -> None:
    rows = [row for page in world.store.history.pages(JobFilter()) for row in page.rows]
    assert len(rows) == len(world.jobs)
    for row in rows:
        made = ["bvh", "npz"] if row.state is State.SUCCEEDED else []
        assert [file.format for file in row.artifacts] == made


def test_a_cursor_of_another_order_is_refused(world: World) -> None:
    page = world.store.history.page(JobFilter(), Order("peak"), limit=5)
    with pytest.raises(OrderError, match="--sort=-peak"):
        world.store.history.page(JobFilter(), Order("queue"), after=page.next)


def _written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


DAMAGED = [
    "", "zzz", "WyI", "ÄÖ", "W10", Cursor(1, 2).encode(Order())[:-4],
    *map(
        _written,
        [
            '["-id",1,99999999999999999999]', '["-id",1,-1]', '["-id",1,true]', '["-id",true,1]',
            '["-id",NaN,1]', '["-id",Infinity,1]', '["-id",1e308,1]', '["-id",-1e308,1]',
            '["-id",99999999999999999999,1]', '["-id",null,1]', '["-id","1",1]', '[["-id"],1,1]',
            '[null,1,1]', '["x",1,1]', '{"-id":1,"a":2,"b":3}', "123", "[" * 200, "9" * 200,
        ],
    ),
    "A" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED, ids=lambda text: text[:20])
def test_a_damaged_cursor_is_refused(world: World, text: str) -> None:
    with pytest.raises(OrderError, match="not a cursor") as caught:
        world.store.history.page(JobFilter(), Order(), after=text)
    assert len(str(caught.value)) < 200


def test_a_cursor_far_behind_everything_is_an_empty_page(world: World) -> None:
    cursor = _written(f'["id",{2**63 - 1},{2**63 - 1}]')
    assert not world.store.history.page(JobFilter(), Order.parse("id"), after=cursor).rows
