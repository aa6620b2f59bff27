"""A submit that is killed half-way and repeated."""

from __future__ import annotations

import contextlib
import signal

import pytest

from tests.conftest import RedisServer
from tests.faults.plant import Plant

ROWS = 2500
#: Rows that a submit commits, then publishes, at a time.
CHUNK = 1000


@pytest.mark.slow
def test_submit_killed_half_way_and_repeated(plant: Plant, own_redis: RedisServer) -> None:
    """Killed when a chunk was committed and not published: exactly one job a row in the end."""
    assert own_redis.process is not None
    words = plant.submit_command(plant.prompts(ROWS, "j"), steps=1)
    # A broker that stands still holds the submit between the two.
    own_redis.process.send_signal(signal.SIGSTOP)
    submit = plant.start("submit", *words)
    plant.until(plant.counts, "a chunk was committed")
    submit.kill()
    own_redis.process.send_signal(signal.SIGCONT)
    assert plant.counts() == {"queued": CHUNK}
    with contextlib.closing(own_redis.client()) as client:
        # What the dead submit left in the socket's buffer may have arrived: none or all of it.
        assert client.llen("hymo.full.16") in {0, CHUNK}

    again = plant.submit(ROWS, steps=1)
    assert (again["new"], again["existing"], again["changed"]) == (ROWS - CHUNK, CHUNK, 0)
    once_more = plant.submit(ROWS, steps=1)
    assert (once_more["new"], once_more["existing"]) == (0, ROWS)
    distinct = plant.rows("SELECT count(DISTINCT custom_id) FROM jobs")[0][0]
    assert (distinct, plant.counts()) == (ROWS, {"queued": ROWS})

    plant.environ |= {"HYMO_PACK": "250"}
    plant.worker("a", memory=8192)
    plant.finish(ROWS)
    assert plant.counts() == {"succeeded": ROWS}
    assert plant.rows("SELECT count(*) FROM attempts")[0][0] == ROWS
