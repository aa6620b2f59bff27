"""Where the text encoder is kept: what a budget allows, and what may be asked for."""

from __future__ import annotations

import pytest

from jobs.domain.memory import GIB
from jobs.errors import SettingsError
from worker.planning.encoder_placement import EncoderPlacement, choose_placement

#: About the published models in float32.
NEEDS = {EncoderPlacement.RESIDENT: 24 * GIB, EncoderPlacement.STAGED: 17 * GIB}


@pytest.mark.parametrize(
    ("gib", "placement"),
    [
        (80, EncoderPlacement.RESIDENT),
        (24, EncoderPlacement.RESIDENT),
        (23.9, EncoderPlacement.STAGED),
        (17, EncoderPlacement.STAGED),
        (16, EncoderPlacement.REMOTE),
        (8, EncoderPlacement.REMOTE),
    ],
)
def test_the_budget_decides(gib: float, placement: EncoderPlacement) -> None:
    assert choose_placement(NEEDS, int(gib * GIB)) is placement
    assert choose_placement(NEEDS, int(gib * GIB), asked="auto") is placement


def test_without_an_encoder_nothing_is_encoded() -> None:
    assert choose_placement({}, 80 * GIB) is EncoderPlacement.CACHED
    for asked in ("resident", "staged"):
        with pytest.raises(SettingsError, match="no text encoder is installed"):
            choose_placement({}, 80 * GIB, asked=asked)


@pytest.mark.parametrize(
    ("asked", "gib", "fits"),
    [
        ("resident", 24, True), ("resident", 23, False), ("staged", 80, True),
        ("staged", 16, False), ("cached", 80, True), ("cached", 2, True), ("remote", 80, True),
    ],
)  # fmt: skip
def test_what_is_asked_for_must_fit(asked: str, gib: int, fits: bool) -> None:
    if fits:
        assert choose_placement(NEEDS, gib * GIB, asked=asked) is EncoderPlacement(asked)
        return
    with pytest.raises(SettingsError, match=r"--text-plan.*budget is .*raise --memory"):
        choose_placement(NEEDS, gib * GIB, asked=asked)


def test_two_placements_encode() -> None:
    assert [each.value for each in EncoderPlacement if each.encodes] == ["resident", "staged"]


def test_a_card_without_the_encoders_number_type_leaves_texts_to_others() -> None:
    assert choose_placement(NEEDS, 80 * GIB, able=False) is EncoderPlacement.REMOTE
    assert choose_placement(NEEDS, 80 * GIB, able=False, asked="cached") is EncoderPlacement.CACHED
    with pytest.raises(SettingsError, match="no bfloat16"):
        choose_placement(NEEDS, 80 * GIB, able=False, asked="resident")
