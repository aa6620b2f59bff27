"""Statistics compared with figures computed in plain Python, on both databases."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import pytest

from jobs.store.history.stats import MEASURES, OF_TEXTS, AttemptFilter, MeasureSpread

from .conftest import CARDS, T0, World

PHASES = ("load", "encode", "sample", "decode", "save")
COLUMNS = {"peak_memory": "peak_memory_bytes", "skate_mm": "skate_mm",
           "penetration_mm": "penetration_mm", "jitter": "jitter"}  # fmt: skip


def measure(row: dict[str, Any], name: str) -> float | None:
    if name == "total":
        return sum(row[f"{phase}_s"] or 0.0 for phase in PHASES)
    found = row[COLUMNS.get(name, f"{name}_s")]
    return None if found is None else float(found)


def rank(values: list[float], percent: int) -> float:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def check(
    world: World, wanted: AttemptFilter, rows: list[dict[str, Any]], *, encoding: bool = False
) -> int:
    groups = defaultdict(list)
    for row in rows:
        if row["mode"] == "encode" and not encoding:
            continue
        if row["outcome"] in {"succeeded", "encoded", "failed"}:
            groups[row["card"], row["mode"]].append(row)
    found = world.store.stats.groups(wanted, encoding=encoding)
    assert [(each.card, each.mode) for each in found] == sorted(groups)
    for group in found:
        mine = groups[group.card, group.mode]
        good = [row for row in mine if row["outcome"] in {"succeeded", "encoded"}]
        assert (group.count, group.succeeded) == (len(mine), len(good))
        assert group.success == len(good) / len(mine)
        for name in MEASURES:
            values = [v for row in good if (v := measure(row, name)) is not None]
            if not values or (group.mode == "encode" and name not in OF_TEXTS):
                assert name not in group.measures
                continue
            spread = group.measures[name]
            assert spread.mean == pytest.approx(sum(values) / len(values))
            assert spread.p50 == pytest.approx(rank(values, 50))
            assert spread.p95 == pytest.approx(rank(values, 95))
    return len(found)


def test_all_attempts(world: World) -> None:
    assert check(world, AttemptFilter(), world.attempts) == 6
    assert check(world, AttemptFilter(), world.attempts, encoding=True) == 9


def test_every_filter(world: World) -> None:
    of_batch = {job["id"] for job in world.jobs if job["batch_id"] == 2}
    mode_of_job = {job["id"]: job["mode"] for job in world.jobs}
    late = T0 + 150
    for wanted, keep in (
        (AttemptFilter(batch_id=2), lambda row: row["job_id"] in of_batch),
        (AttemptFilter(modes=("full",)), lambda row: mode_of_job[row["job_id"]] == "full"),
        (AttemptFilter(cards=CARDS[:2]), lambda row: row["card"] in CARDS[:2]),
        (AttemptFilter(workers=("w1",)), lambda row: row["worker_name"] == "w1"),
        (AttemptFilter(since=late), lambda row: row["started_at"] >= late),
        (AttemptFilter(until=late), lambda row: row["started_at"] < late),
        (AttemptFilter(workers=("nobody",)), lambda row: False),
    ):
        rows = [row for row in world.attempts if keep(row)]
        assert len(rows) < len(world.attempts)
        check(world, wanted, rows)
        check(world, wanted, rows, encoding=True)


def test_means_alone(world: World) -> None:
    whole = world.store.stats.groups()
    means = world.store.stats.groups(measures=("total",), percentiles=False)
    assert [each.measures for each in means] == [
        {"total": MeasureSpread(each.measures["total"].mean)} for each in whole
    ]
