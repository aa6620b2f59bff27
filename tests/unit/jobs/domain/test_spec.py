"""The two hashes of a job: of its row, and of its motion."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.domain.clock import iso
from jobs.domain.spec import JobSpec, Origin

SPEC = JobSpec("a", "walks", steps=50, guidance=5.0, metadata={"k": "v", "l": "w"})
CONTENT = SPEC.content_hash("full", "r1")


@pytest.mark.parametrize(
    "change",
    [{"prompt": "runs"}, {"frames": 101}, {"seed": 1}, {"steps": 9}, {"guidance": 1.0},
     {"model": "null"}],
    ids=str,
)  # fmt: skip
def test_what_changes_the_motion_changes_both(change):
    other = replace(SPEC, **change)
    assert other.row_hash() != SPEC.row_hash()
    assert other.content_hash("full", "r1") != CONTENT


@pytest.mark.parametrize(
    "change",
    [{"priority": 1}, {"formats": ("bvh",)}, {"mode": "lite"}, {"metadata": {"k": "x"}}],
    ids=str,
)
def test_what_changes_only_the_row_leaves_the_motion(change):
    other = replace(SPEC, **change)
    assert other.row_hash() != SPEC.row_hash()
    assert other.content_hash("full", "r1") == CONTENT


def test_mode_and_revision_are_part_of_the_motion():
    assert len({CONTENT, SPEC.content_hash("lite", "r1"), SPEC.content_hash("full", "r2")}) == 3


def test_neither_depends_on_the_id_or_on_the_order_of_columns():
    other = replace(SPEC, custom_id="b", metadata={"l": "w", "k": "v"})
    assert other.row_hash() == SPEC.row_hash()
    assert other.content_hash("full", "r1") == CONTENT


def test_hashes_stay_the_same_between_releases():
    # The hashes are stored: if they change, every resubmitted row is `changed` and never cached.
    assert SPEC.row_hash() == "5fb7a4ffaa8a809adafd9b66df035c53"
    assert CONTENT == "398845df9d1262554896bdfc6ec0ea2e"


def test_a_rewriters_answer_is_of_the_motion_and_its_wish_of_the_row():
    origin = Origin(prompt="walks", frames=100, asked=("prompt",), outcome="failed: x")
    asked = replace(SPEC, origin=origin)
    assert asked.row_hash() != SPEC.row_hash()
    assert asked.content_hash("full", "r1") == CONTENT
    assert (asked.original_prompt, asked.rewrite) == (None, "failed: x")
    answer = replace(origin, outcome="rewritten")
    answered = replace(SPEC, prompt="A person walks.", frames=60, origin=answer)
    assert answered.row_hash() == asked.row_hash()
    assert answered.content_hash("full", "r1") != CONTENT
    assert (answered.original_prompt, answered.rewrite) == ("walks", "rewritten")
    assert (SPEC.original_prompt, SPEC.rewrite) == (None, None)


def test_neighbouring_values_do_not_run_together():
    first, second = replace(SPEC, prompt="walks1", seed=2), replace(SPEC, seed=12)
    assert first.row_hash() != second.row_hash()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_769_897_700.25, "2026-01-31T22:15:00.250Z"),
    ],
)
def test_times_are_shown_in_iso_8601(seconds, text):
    assert iso(seconds) == text
