"""Text plans: what a budget allows, and what may be asked for."""

from __future__ import annotations

import pytest

from jobs.domain.memory import GIB
from jobs.errors import SettingsError
from worker.planning.encoder_placement import EncoderPlacement, TextNeeds, choose_plan

#: About the published models in float32: the encoder, Full and Lite, Full alone, a short motion.
NEEDS = TextNeeds(encoder=17 * GIB, samplers=6 * GIB, sampler=5 * GIB, motion=1 * GIB)


@pytest.mark.parametrize(
    ("gib", "plan"),
    [
        (80, EncoderPlacement.RESIDENT),
        (24, EncoderPlacement.RESIDENT),
        (23.9, EncoderPlacement.STAGED),
        (17, EncoderPlacement.STAGED),
        (16, EncoderPlacement.REMOTE),
        (8, EncoderPlacement.REMOTE),
    ],
)
def test_the_budget_decides(gib: float, plan: EncoderPlacement) -> None:
    assert choose_plan(NEEDS, int(gib * GIB)) is plan
    assert choose_plan(NEEDS, int(gib * GIB), asked="auto") is plan


def test_without_an_encoder_nothing_is_encoded() -> None:
    needs = TextNeeds(encoder=None, samplers=6 * GIB, sampler=5 * GIB, motion=GIB)
    assert choose_plan(needs, 80 * GIB) is EncoderPlacement.CACHED
    for asked in ("resident", "staged"):
        with pytest.raises(SettingsError, match="no text encoder is installed"):
            choose_plan(needs, 80 * GIB, asked=asked)


@pytest.mark.parametrize(
    ("asked", "gib", "fits"),
    [
        ("resident", 24, True), ("resident", 23, False), ("staged", 80, True),
        ("staged", 16, False), ("cached", 80, True), ("cached", 2, True), ("remote", 80, True),
    ],
)  # fmt: skip
def test_what_is_asked_for_must_fit(asked: str, gib: int, fits: bool) -> None:
    if fits:
        assert choose_plan(NEEDS, gib * GIB, asked=asked) is EncoderPlacement(asked)
        return
    with pytest.raises(SettingsError, match=r"--text-plan.*budget is .*raise --memory"):
        choose_plan(NEEDS, gib * GIB, asked=asked)


def test_two_plans_encode() -> None:
    assert [plan.value for plan in EncoderPlacement if plan.encodes] == ["resident", "staged"]


def test_a_large_sampler_counts_where_everything_takes_turns() -> None:
    needs = TextNeeds(encoder=4 * GIB, samplers=20 * GIB, sampler=12 * GIB, motion=GIB)
    assert choose_plan(needs, 12 * GIB) is EncoderPlacement.STAGED
    assert choose_plan(needs, 11 * GIB) is EncoderPlacement.REMOTE


def test_a_card_without_the_encoders_number_type_leaves_texts_to_others() -> None:
    assert choose_plan(NEEDS, 80 * GIB, able=False) is EncoderPlacement.REMOTE
    assert choose_plan(NEEDS, 80 * GIB, able=False, asked="cached") is EncoderPlacement.CACHED
    with pytest.raises(SettingsError, match="no bfloat16"):
        choose_plan(NEEDS, 80 * GIB, able=False, asked="resident")
