"""Turns: a small batch behind a huge one ends soon, whatever the broker's queues look like."""

from __future__ import annotations

import pytest

from tests.faults.plant import Plant

HUGE = 120
SMALL = 4
#: Jobs per pack.
PACK = 2


@pytest.mark.redis
@pytest.mark.parametrize(("huge", "small"), [("20", "100"), ("100", "20"), ("20", "20")])
def test_a_small_batch_behind_a_huge_one_ends_soon(plant: Plant, huge: str, small: str) -> None:
    """All messages of the huge batch stand before those of the small one, or in other queues."""
    for name, count, frames in (("huge", HUGE, huge), ("small", SMALL, small)):
        words = plant.submit_command(plant.prompts(count, name), steps=1)
        assert plant.start(name, *words, "--frames", frames).ended() == 0
    # Each message is acknowledged after one pack, so that the next pack follows another message.
    plant.worker("a", HYMO_CLAIM="0", HYMO_PACK=str(PACK))
    plant.finish(HUGE + SMALL)
    order = [row.name for row in plant.rows(STARTS)]
    last = len(order) - order[::-1].index("small")
    assert last <= 2 * SMALL, order[: last + 1]


STARTS = """
    SELECT b.name FROM attempts a JOIN jobs j ON j.id = a.job_id JOIN batches b ON b.id = j.batch_id
    ORDER BY a.id
"""
