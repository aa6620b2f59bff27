"""Routing of a whole file: modes, classes, and the workers that can take each class."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobs.domain.memory import GIB
from jobs.domain.pauses import Pause, PauseScope
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.promptfile.survey import Asked, Survey
from jobs.submission.router import Router, planned

BIG = Offer("big", ("full", "lite"), ("null", "tiny"), 80 * GIB)
SMALL = Offer("small", ("lite",), ("null",), 24 * GIB, {"lite": 100})


def job(custom_id: str, **values: Any) -> JobSpec:
    return JobSpec(custom_id, "walks", model="null", steps=50, guidance=5.0, **values)


def found(asked: dict[Asked, int]) -> Survey:
    jobs = sum(asked.values())
    return Survey(
        rows=jobs,
        jobs=jobs,
        asked=asked,
        metadata=(),
        unfamiliar=(),
        problems=(),
        total=0,
        invalid=0,
    )


@pytest.mark.parametrize(
    ("offers", "mode"), [([], "lite"), ([SMALL], "lite"), ([BIG], "full"), ([SMALL, BIG], "full")]
)
def test_auto_is_full_where_somebody_fits_it(offers: list[Offer], mode: str) -> None:
    routed = Router(offers).route(job("a"))
    assert routed.route.demand.mode == mode
    assert routed.job().mode == mode
    assert routed.job().spec.mode == "auto"
    assert routed.job().revision == "null-1"
    assert routed.route.queue == f"hymo.{mode}.{routed.job().gib}"


def test_auto_counts_on_a_worker_that_is_paused() -> None:
    """Jobs become Lite for good, and a pause ends."""
    paused = replace(BIG, pauses=(Pause(PauseScope.WORKER, "", "sick", 0.0),))
    without = replace(BIG, pauses=(Pause(PauseScope.MODEL, "null full", "no weights", 0.0),))
    for offer in (paused, without):
        assert Router([SMALL, offer]).route(job("a")).route.demand.mode == "full"


def test_an_explicit_mode_is_kept_even_where_nobody_serves_it() -> None:
    routed = Router([SMALL]).route(job("a", mode="full"))
    assert routed.job().mode == "full"
    assert routed.route.misfit is not None
    assert "no live worker serves full" in routed.route.misfit


def test_content_depends_on_the_mode_that_was_chosen() -> None:
    spec = job("a")
    assert Router([BIG]).route(spec).content != Router([SMALL]).route(spec).content
    full = job("b", mode="full", priority=9, metadata={"x": "y"})
    assert Router([BIG]).route(spec).content == Router([]).route(full).content


def test_a_plan_groups_jobs_by_queue_and_says_who_takes_them() -> None:
    asked = {
        Asked("null", "lite", 100): 2,
        Asked("null", "lite", 101): 3,
        Asked("null", "auto", 100): 5,
        Asked("tiny", "lite", 100): 1,
    }
    plan = planned("b", found(asked), [SMALL])
    assert plan.manned
    assert not planned("b", found(asked), []).manned
    assert plan.auto == {"lite": 5}
    assert plan.untrained == ("null",)
    by_model = {(each.model, each.frames): each for each in plan.classes}
    null = by_model["null", (100, 101)]
    assert (null.jobs, null.workers) == (10, ("small",))
    assert list(null.misfits.values()) == [3]
    assert "longest live: 100 frames" in next(iter(null.misfits))
    tiny = by_model["tiny", (100, 100)]
    assert (tiny.jobs, tiny.workers) == (1, ())
    assert "no live worker has model tiny" in next(iter(tiny.misfits))
    assert sum(each.jobs for each in plan.classes) == plan.jobs == 11
