"""Which worker can take a job, and the reason if none can."""

from __future__ import annotations

import pytest

from jobs.domain.catalog import CATALOG, MODES, model_entry
from jobs.domain.memory import GIB, class_gib
from jobs.domain.routing import Demand, Offer, choose_mode, demand, fits, misfit
from jobs.errors import NotFoundError

WANTED = Demand(model="tiny", mode="full", gib=24, frames=100)


def offer(name="w", modes=MODES, models=("tiny",), gib=24.0, **max_frames):
    return Offer(name, modes, models, int(gib * GIB), max_frames)


def test_a_demand_comes_from_the_models_profile():
    wanted = demand("null", "full", 100)
    assert wanted.gib == class_gib(model_entry("null").profiles["full"].need(100))
    assert wanted.queue == f"hymo.full.{wanted.gib}"
    assert demand("null", "full", 360).gib > wanted.gib
    assert demand("null", "lite", 100).gib <= wanted.gib


def test_every_model_has_a_profile_of_every_mode_and_revisions_if_it_comes_along():
    for entry in CATALOG.values():
        assert set(entry.profiles) == set(MODES)
        assert set(entry.revisions) == (set() if entry.name == "hy-motion-1.0" else set(MODES))


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(NotFoundError, match="tiny"):
        demand("huge", "full", 100)


CASES = [
    (offer(), None),
    (offer(full=100), None),
    (offer(lite=20), None),
    (offer(gib=16), "needs 24 GiB full; largest live: 16 GiB"),
    (offer(gib=23.99), "needs 24 GiB full; largest live: 24 GiB"),
    (offer(modes=("lite",)), "needs 24 GiB full; no live worker serves full"),
    (offer(models=("null",)), "needs 24 GiB full; no live worker has model tiny"),
    (offer(full=99), "needs 24 GiB full, 100 frames; longest live: 99 frames"),
]


@pytest.mark.parametrize(("given", "reason"), CASES)
def test_one_worker_fits_or_the_reason_says_why_not(given, reason):
    assert fits(WANTED, given) == (reason is None)
    assert misfit(WANTED, [given]) == (reason and f"no worker fits: {reason}")


def test_no_worker_at_all():
    assert misfit(WANTED, []) == "no worker fits: needs 24 GiB full; no worker is live"


def test_one_that_fits_is_enough():
    assert misfit(WANTED, [given for given, _ in CASES]) is None


def test_the_reason_names_the_nearest_worker():
    short = [offer("a", gib=8), offer("b", gib=16), offer("c", modes=("lite",), gib=80)]
    assert misfit(WANTED, short) == "no worker fits: needs 24 GiB full; largest live: 16 GiB"
    split = [offer("roomy", models=("null",)), offer("knowing", gib=16)]
    assert misfit(WANTED, split).endswith("no live worker has model tiny")


def test_auto_is_full_where_a_worker_fits_it_else_lite():
    need = demand("null", "full", 100).gib
    large, small = (offer(models=("null",), gib=gib) for gib in (need, need - 1))
    assert choose_mode("null", 100, [small, large]) == "full"
    assert choose_mode("null", 100, [small]) == "lite"
    assert choose_mode("null", 100, []) == "lite"
    # A longer motion needs more.
    assert choose_mode("null", 360, [large]) == "lite"


def test_a_declared_worker_fits_but_does_not_work():
    plan = Offer("rack7", MODES, ("tiny",), 80 * GIB, declared=True)
    waits = "waits for declared worker rack7, which is not up"
    assert misfit(WANTED, [plan]) == misfit(WANTED, [offer(gib=16), plan]) == waits
    assert misfit(WANTED, [plan, offer()]) is None
    # Declared workers that do not fit are not among the live ones.
    small = Offer("rack8", MODES, ("tiny",), 20 * GIB, declared=True)
    assert misfit(WANTED, [small]) == misfit(WANTED, [])
    assert misfit(WANTED, [small, offer(gib=16)]).endswith("largest live: 16 GiB")
    # The worker is up with less memory than declared.
    assert misfit(WANTED, [plan, offer("rack7", gib=16)]).endswith("largest live: 16 GiB")


def test_auto_counts_on_declared_workers():
    assert choose_mode("tiny", 100, [Offer("p", MODES, ("tiny",), 80 * GIB, declared=True)]) == (
        "full"
    )
