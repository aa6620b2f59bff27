"""Which precision a worker takes, and when it gives one up."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import SettingsError
from worker.engine.fallback import Breaker, Precision
from worker.planning.precision import CHOICES, FASTEST, NEEDS, choose, default_dtype

PUBLISHED = "hy-motion-1.0"
CARDS = {
    "P100": (6, 0),
    "V100": (7, 0),
    "T4": (7, 5),
    "A100": (8, 0),
    "A10": (8, 6),
    "H100": (9, 0),
}


@pytest.mark.parametrize(
    ("card", "wanted"),
    [
        ("P100", "float32"),
        ("V100", "float16"),
        ("T4", "float16"),
        ("A100", "bfloat16"),
        ("A10", "bfloat16"),
        ("H100", "bfloat16"),
    ],
)
def test_the_fastest_documented_one_is_the_default(card: str, wanted: str) -> None:
    for asked in (default_dtype("cuda", CARDS[card], PUBLISHED), auto(card, PUBLISHED)):
        assert asked == wanted


def auto(card: str, model: str) -> str:
    return choose("auto", device_kind="cuda", capability=CARDS[card], model=model)


@pytest.mark.parametrize("model", ["tiny", "null", "my-own"])
def test_what_is_not_documented_is_float32(model: str) -> None:
    assert auto("H100", model) == "float32"


@pytest.mark.parametrize("model", ["tiny", PUBLISHED])
def test_a_cpu_is_float32(model: str) -> None:
    assert choose("auto", device_kind="cpu", capability=None, model=model) == "float32"


@pytest.mark.parametrize("asked", ["float32", "bfloat16", "float16"])
def test_a_cpu_does_what_it_is_told(asked: str) -> None:
    assert choose(asked, device_kind="cpu", capability=None, model="tiny") == asked


@pytest.mark.parametrize("asked", [choice for choice in CHOICES if choice != "auto"])
def test_a_new_card_does_what_it_is_told(asked: str) -> None:
    assert choose(asked, device_kind="cuda", capability=(9, 0), model="tiny") == asked


@pytest.mark.parametrize(
    ("asked", "card", "model", "mend"),
    [
        ("bfloat16", "V100", PUBLISHED, "8.0, this card has 7.0; leave --dtype out for float16"),
        ("tf32", "V100", "tiny", "leave --dtype out for float32, or give float16"),
        ("float16", "P100", PUBLISHED, "7.0, this card has 6.0; leave --dtype out for float32"),
        ("int8", "H100", PUBLISHED, "choose one of auto, float32, tf32, bfloat16, float16"),
    ],
)
def test_what_a_card_has_not_is_refused(asked: str, card: str, model: str, mend: str) -> None:
    with pytest.raises(SettingsError) as caught:
        choose(asked, device_kind="cuda", capability=CARDS[card], model=model)
    assert caught.value.mend.endswith(mend)
    assert caught.value.name == "--dtype"
    assert caught.value.exit_code == 2


def test_a_cpu_has_no_tf32() -> None:
    with pytest.raises(SettingsError, match="a CPU has none"):
        choose("tf32", device_kind="cpu", capability=None, model="tiny")


def test_the_table_names_precisions_that_there_are() -> None:
    assert all(set(known) <= set(NEEDS) for known in FASTEST.values())


@pytest.mark.parametrize(
    ("packs", "opened"),
    [
        ([(8, 7)], False),  # too few to say anything
        ([(8, 8)], True),
        ([(100, 0), (100, 8)], False),  # 4 %
        ([(100, 0), (100, 10)], False),  # 5 %: not above it
        ([(100, 0), (100, 11)], True),
        ([(100, 4), (100, 4)], False),
        ([(100, 4), (40, 4)], True),  # 8 of 140
        ([(100, 7), (200, 0), (100, 7)], False),  # the first are forgotten
        ([(1, 1)] * 7 + [(1, 0)] * 400, False),
        ([(1, 1)] * 8, True),
    ],
)
def test_too_many_open_the_breaker(packs: list[tuple[int, int]], opened: bool) -> None:
    breaker = Breaker()
    for motions, resampled in packs:
        breaker = breaker.after(motions, resampled=resampled)
    assert breaker.open is opened
    assert breaker.sampled == sum(motions for motions, _ in packs)
    assert breaker.resampled == sum(resampled for _, resampled in packs)


def test_an_open_breaker_stays_open() -> None:
    breaker = Breaker().after(8, resampled=8).after(10_000, resampled=0)
    assert breaker.open
    assert len(breaker.latest) == 200


def test_its_numbers_can_be_chosen() -> None:
    assert Breaker(fewest=1, share=0.0, window=4).after(4, resampled=1).open
    assert not Breaker(fewest=3, share=0.5, window=4).after(100, resampled=2).open


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=30))
def test_it_never_opens_below_its_limits(packs: list[tuple[int, int]]) -> None:
    breaker = Breaker()
    for good, bad in packs:
        before, breaker = breaker, breaker.after(good + bad, resampled=bad)
        assert breaker.open >= before.open
        if breaker.open > before.open:
            assert sum(breaker.latest) >= 8
            assert sum(breaker.latest) / len(breaker.latest) > 0.05


def test_a_worker_goes_on_in_float32_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    precision = Precision(model=PUBLISHED, dtype="float16", breaker=Breaker(fewest=2))
    with caplog.at_level(logging.WARNING, logger="worker.planning.precision"):
        precision.note(8, resampled=1)
        assert (precision.dtype, precision.given_up) == ("float16", None)
        precision.note(8, resampled=1)
        assert (precision.dtype, precision.given_up) == ("float32", "float16")
        precision.note(8, resampled=0)
        precision.note(8, resampled=8)
    [line] = caplog.messages
    assert "hy-motion-1.0: 2 of the latest 16 motions broke in float16" in line
    assert "--dtype float32" in line


def test_float32_has_nothing_to_fall_back_to(caplog: pytest.LogCaptureFixture) -> None:
    precision = Precision(model="tiny", dtype="float32")
    precision.note(100, resampled=100)
    assert (precision.dtype, precision.given_up) == ("float32", None)
    assert not caplog.messages


def test_it_is_decided_without_torch() -> None:
    code = "import sys, worker.planning.precision; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
