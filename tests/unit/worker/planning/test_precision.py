"""Which precision a worker takes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jobs.errors import SettingsError
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


def test_it_is_decided_without_torch() -> None:
    code = "import sys, worker.planning.precision; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
