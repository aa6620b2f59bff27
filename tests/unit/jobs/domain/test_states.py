"""The transition table."""

from __future__ import annotations

import pytest

from jobs.domain.states import FINAL, HOPELESS, TRANSITIONS, Failure, State, check, sources
from jobs.errors import TransitionError

ALLOWED = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "queued"),
    ("succeeded", "queued"),
    ("failed", "queued"),
    ("cancelled", "queued"),
}


@pytest.mark.parametrize("source", State)
@pytest.mark.parametrize("target", State)
def test_every_pair_is_either_allowed_or_refused(source, target):
    if (source, target) in ALLOWED:
        check(source, target)
    else:
        with pytest.raises(TransitionError, match=f"{source} to {target}"):
            check(source, target)


def test_every_state_is_in_the_table():
    assert set(TRANSITIONS) == set(State)


def test_sources_turn_the_table_round():
    for target in State:
        assert set(sources(target)) == {s for s, t in ALLOWED if t == target}


def test_final_states_leave_by_request_alone():
    assert {s for s in State if TRANSITIONS[s] == {State.QUEUED}} == FINAL


def test_only_an_invalid_job_is_hopeless():
    assert {Failure.INVALID} == HOPELESS
