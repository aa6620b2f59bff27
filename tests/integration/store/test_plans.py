"""Query plans: frequent statements use indexes, so that a long queue does not slow them."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import product

import pytest
from sqlalchemy import event, text

from jobs.domain.routing import Reach

DEEP = 100_000
#: Limit for one claim of a pack of 16, in steps of SQLite's virtual machine. Scanning the queue
#: takes millions; a claim by index takes about 6 000.
STEPS = 20_000

FILL = """
INSERT INTO jobs (batch_id, custom_id, seed, prompt, frames, requested_mode, mode, steps, guidance,
    priority, formats, model, revision, metadata, row_hash, content_hash, class_gib, state,
    attempt_limit, not_before, created_at, queued_at, published_at)
SELECT 1, 'd' || n, 0, 'a person walks', 100, 'full', 'full', 50, 5.0,
    n % 3, '["npz"]', 'tiny', 'r1', '{{}}', 'h', 'h' || n, 8 + 8 * (n % 4), 'queued',
    3, 0, 0, 0, CASE WHEN n % 50 = 0 THEN NULL ELSE 1.0 END
FROM {numbers}
"""


NUMBERS = {
    "sqlite": f"""(WITH RECURSIVE numbers(n) AS (
        SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {DEEP}) SELECT n FROM numbers)""",
    "postgresql": f"generate_series(1, {DEEP}) AS n",
}


@pytest.fixture
def deep(farm):
    """A farm with a long queue of jobs of 8, 16, 24 and 32 GiB and three priorities."""
    farm.batch()
    with farm.store.engine.begin() as connection:
        connection.execute(text(FILL.format(numbers=NUMBERS[connection.dialect.name])))
    return farm


@contextmanager
def recorded(engine):
    """The statements that run on `engine` during the block, with their parameters."""
    found = []

    def record(_connection, _cursor, statement, parameters, _context, many):
        found.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", record)
    yield found
    event.remove(engine, "before_cursor_execute", record)


def explained(farm, found):
    """The plan of each statement that touches jobs, line by line."""
    sqlite = farm.store.engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    lines = []
    with farm.store.engine.connect() as connection:
        for statement, parameters in found:
            if "jobs" in statement:
                rows = connection.exec_driver_sql(explain + statement, parameters)
                lines += [row[-1].strip() for row in rows]
    return lines


def walks(lines):
    """Lines of a plan that scan the table `jobs` or one of its indexes."""
    return [
        line
        for line in lines
        if line.startswith(("SCAN jobs", "Seq Scan on jobs", "->  Seq Scan on jobs"))
        or ("USING INDEX ix_jobs_claim" in line and "(" not in line)
    ]


@pytest.mark.parametrize("statistics", [False, True])
def test_claims_read_lanes_and_rows_by_key(deep, statistics):
    if statistics:
        with deep.store.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    worker = deep.worker(gib=24)
    with recorded(deep.store.engine) as found:
        claims = deep.claim(worker, limit=16)
        assert len(deep.claim(worker, limit=16, after={2: 1})) == 16
    assert [claim.gib for claim in claims] == [24] * 16
    lines = explained(deep, found)
    assert walks(lines) == []
    assert any("ix_jobs_claim" in line for line in lines)


def test_a_batch_that_the_statistics_do_not_know_is_read_in_its_lanes(deep):
    """It came after the last ANALYZE: PostgreSQL would read the whole batch and sort it."""
    deep.batch("new")
    with deep.store.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
        fill = FILL.replace("SELECT 1, 'd'", "SELECT 2, 'e'")
        connection.execute(text(fill.format(numbers=NUMBERS[connection.dialect.name])))
    worker = deep.worker(gib=24)
    with recorded(deep.store.engine) as found:
        assert {claim.batch for claim in deep.claim(worker, limit=16, after={2: 1})} == {"new"}
        deep.store.encoding.upcoming(worker.offer, "tiny", 50, after={2: 1})
    lines = explained(deep, found)
    assert walks(lines) == []
    others = ("ix_jobs_batch_id", "ix_jobs_priority")
    assert [line for line in lines if any(name in line for name in others)] == []


def test_what_reconcilers_ask_goes_by_index(deep):
    deep.claim(deep.worker(), limit=16, lease=-1)
    with recorded(deep.store.engine) as found:
        assert len(deep.store.leases.expire(backoff=lambda _: 0.0)) == 16
        assert deep.store.delivery.unpublished(10)
    lines = explained(deep, found)
    assert walks(lines) == []
    # Both indexes contain only running jobs; SQLite prefers the one that is in order.
    assert any("ix_jobs_lease" in line or "ix_jobs_state_id" in line for line in lines), lines
    assert any("ix_jobs_unpublished" in line for line in lines)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_made_before_is_looked_up_by_its_content(deep):
    with recorded(deep.store.engine) as found:
        assert deep.store.batches.content(["h1", "h2"]) == {}
    lines = explained(deep, found)
    assert any("ix_jobs_content_hash (content_hash=?)" in line for line in lines), lines


def test_looking_ahead_reads_lanes_and_rows_by_key(deep):
    with recorded(deep.store.engine) as found:
        ahead = deep.store.encoding.upcoming(deep.worker(gib=24).offer, "tiny", 2500)
    assert len({each.job_id for each in ahead}) == 2500
    lines = explained(deep, found)
    assert walks(lines) == []
    assert any("ix_jobs_claim" in line for line in lines)


def test_what_waits_for_its_text_is_found_by_index_and_passed_over(deep):
    with deep.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET encode_gib = 20, text_revision = 'te-1' WHERE id % 1000 > 0")
        )
    with recorded(deep.store.engine) as found:
        assert len(deep.store.encoding.waiters("tiny", "te-1", 50)) == 50
        assert deep.store.encoding.crowd("tiny", "te-1", 300) == 300
        assert len(deep.claim(deep.worker(), limit=16)) == 16
    lines = explained(deep, found)
    assert walks(lines) == []
    assert any("ix_jobs_encode" in line for line in lines), lines


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_claim_costs_little_whatever_stands_in_front(deep):
    steps = 0

    def count():
        nonlocal steps
        steps += 100

    offers = ({}, {"gib": 8}, {"modes": ("lite",)}, {"gib": 4})
    reaches = (Reach(), Reach(newest=1), Reach(newest=1, hidden=frozenset({2})))
    for offer, reach in product(offers, reaches):
        worker = deep.worker(**offer)
        with deep.store.engine.connect() as connection:
            driver = connection.connection.driver_connection
        steps = 0
        driver.set_progress_handler(count, 100)
        deep.claim(worker, limit=16, reach=reach)
        driver.set_progress_handler(None, 0)
        assert 0 < steps < STEPS, (offer, reach, steps)


@pytest.mark.parametrize("statistics", [False, True])
def test_batches_that_are_left_are_found_without_reading_their_jobs(deep, statistics):
    batches = deep.store.batches
    for number in range(50):
        batches.ensure(f"empty{number}", source="f", output="/out")
    if statistics:
        with deep.store.engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE")
    with recorded(deep.store.engine) as found:
        assert len(batches.unfinished()[1]) == 51
        hidden = Reach(hidden=frozenset({2, 3}), newest=51)
        worker = deep.worker(gib=24)
        assert len(deep.claim(worker, limit=16, reach=hidden)) == 16
    assert walks(explained(deep, found)) == []
