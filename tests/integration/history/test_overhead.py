"""Texts, loads and resampling compared with sums in plain Python, on both databases."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import insert

from jobs.store.history.overhead import Overhead, total
from jobs.store.history.stats import AttemptFilter
from jobs.store.tables import attempts

from .conftest import CARDS, World


def summed(rows: list[dict[str, Any]]) -> Overhead:
    """The overhead of these attempts."""
    ended = [row for row in rows if row["outcome"] in {"succeeded", "encoded", "failed"}]
    motions = [row for row in ended if row["outcome"] == "succeeded"]
    counted = [row for row in ended if row["loads"] is not None]
    return Overhead(
        motions=len(motions),
        stored=sum(row["plan"] is not None for row in motions),
        texts=sum(row["outcome"] != "failed" and row["embedding"] == "made" for row in ended),
        counted=sum(row["outcome"] == "succeeded" for row in counted),
        loads=sum(row["loads"] for row in counted),
        load_s=pytest.approx(sum(row["load_s"] or 0.0 for row in counted)),
        resampled=sum(row["numerics_step"] is not None for row in motions),
        dtypes=dict(sorted(Counter(r["dtype"] for r in motions if r["dtype"]).items())),
    )


def test_every_card_and_mode(world: World) -> None:
    mode_of_job = {job["id"]: job["mode"] for job in world.jobs}
    for wanted, keep in (
        (AttemptFilter(), lambda row: True),
        (AttemptFilter(modes=("lite",)), lambda row: mode_of_job[row["job_id"]] == "lite"),
        (AttemptFilter(cards=CARDS[:1]), lambda row: row["card"] == CARDS[0]),
        (AttemptFilter(workers=("nobody",)), lambda row: False),
    ):
        rows = [row for row in world.attempts if keep(row)]
        found = world.store.overhead.groups(wanted)
        keys = {(r["card"], r["mode"]) for r in rows if r["outcome"] not in {"released", "running"}}
        assert list(found) == sorted(keys)
        for key, one in found.items():
            assert one == summed([row for row in rows if (row["card"], row["mode"]) == key])
        assert total(found) == summed(rows)
    whole = total(world.store.overhead.groups())
    assert whole.texts > 20
    assert whole.resampled > 0
    assert set(whole.dtypes) == {"bfloat16", "float32"}


def test_the_rates_of_a_night(world: World) -> None:
    """Four motions of two texts, one encoded ahead and one when sampled; two were sampled again."""
    with world.store.stats.write() as connection:
        connection.execute(
            insert(attempts),
            [
                _attempt(90, "encode", "encoded", loads=1, load_s=30.0, embedding="made"),
                _attempt(91, "full", "succeeded", loads=1, load_s=2.0, embedding="hit"),
                _attempt(92, "full", "succeeded", loads=0, embedding="made", numerics_step=2),
                _attempt(93, "full", "succeeded", loads=0, embedding="hit", numerics_step=9),
                _attempt(94, "full", "succeeded", loads=0, embedding="hit", dtype="bfloat16"),
                # Failed attempts do not count.
                _attempt(95, "full", "failed", plan=None),
                # Nor does a text whose encoding failed.
                _attempt(96, "encode", "failed", embedding="made"),
            ],
        )
    found = world.store.overhead.groups(AttemptFilter(cards=("H",)))
    assert found["H", "encode"].texts == 1
    assert found["H", "encode"].hit_rate is None
    whole = total(found)
    assert (whole.motions, whole.stored, whole.texts, whole.hit_rate) == (4, 4, 2, 0.5)
    assert (whole.loads, whole.load_s, whole.loads_per_1000) == (2, 32.0, 500.0)
    assert (whole.resampled, whole.resampled_share) == (2, 0.5)
    assert whole.dtypes == {"bfloat16": 1, "float32": 3}


def test_of_nothing_there_is_no_rate() -> None:
    nothing = total({})
    assert not nothing.told
    assert (nothing.hit_rate, nothing.loads_per_1000, nothing.resampled_share) == (None,) * 3
    ahead = Overhead(motions=2, stored=2, texts=9, counted=2)
    assert (ahead.hit_rate, ahead.loads_per_1000) == (0.0, 0.0)


def _attempt(number: int, mode: str, outcome: str, **more: Any) -> dict[str, Any]:
    run = {"dtype": None if mode == "encode" else "float32", "plan": "staged", "embedding": None}
    rest = {"loads": None, "load_s": None, "numerics_step": None}
    return {
        "job_id": 1, "number": number, "worker_id": 1, "worker_name": "w0", "card": "H",
        "mode": mode, "pack_size": 1, "outcome": outcome, "started_at": 0.0, **run, **rest, **more,
    }  # fmt: skip
