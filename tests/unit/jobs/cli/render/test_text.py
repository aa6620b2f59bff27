"""Formatting of values for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.cli.render.text import (
    ago,
    clean,
    duration,
    file_size,
    filled,
    gibibytes,
    gigabytes,
    jerk,
    millimetres,
    percent,
    plural,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""), (0, "0 s"), (0.00042, "0.4 ms"), (0.0099, "9.9 ms"), (0.00996, "10 ms"),
        (0.0994, "99 ms"), (0.0996, "0.10 s"), (0.314, "0.31 s"), (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (99.94, "99.9 s"), (99.96, "1 m 40 s"), (200, "3 m 20 s"), (3599.4, "59 m 59 s"),
        (3599.6, "1 h 00 m"), (7505, "2 h 05 m"), (86399.6, "1 d 00 h"), (356400, "4 d 03 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_how_long_ago() -> None:
    seconds = (-1, 0, 59.9, 60, 3599, 3600, 86_399, 86_400, 864_000)
    assert [ago(n) for n in seconds] == [
        "0 s", "0 s", "59 s", "1 m", "59 m", "1 h", "23 h", "1 d", "10 d",
    ]  # fmt: skip


def test_sizes_and_counts() -> None:
    assert gigabytes(22_400_000_000) == "22.4 GB"
    assert gigabytes(None) == ""
    assert [gibibytes(24 * 2**30), gibibytes(2**29)] == ["24 GiB", "0.5 GiB"]
    assert [file_size(n) for n in (0, 999, 1000, 14_200, 3_100_000)] == [
        "0 B", "999 B", "1.0 kB", "14.2 kB", "3.1 MB",
    ]  # fmt: skip
    assert [percent(0.923), percent(1), percent(None)] == ["92.3 %", "100.0 %", ""]
    assert [plural(1, "job"), plural(0, "job"), plural(2, "batch", "batches")] == [
        "1 job", "0 jobs", "2 batches",
    ]  # fmt: skip


def test_figures_of_motions() -> None:
    values = (0, 0.4204, 9.994, 9.996, 57.42, 99.96, 1623.2)
    assert [millimetres(value) for value in values] == [
        "0.00 mm", "0.42 mm", "9.99 mm", "10.0 mm", "57.4 mm", "100 mm", "1623 mm",
    ]  # fmt: skip
    assert [jerk(82.04), jerk(None), millimetres(None)] == ["82.0 m/s³", "", ""]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("walks", "walks"), ("步行 é", "步行 é"), ("a\nb\r\nc", "a⏎b⏎c"), ("a\tb", "a b"),
        ("\x1b[31mred", "\\x1b[31mred"), ("\x07", "\\x07"), ("\x9b2J", "\\x9b2J"),
        ("a\u202eb", "a\\u202eb"), ("👩‍🚀", "👩‍🚀"), ("\ud800", "\\ud800"), ("a\u2028b", "a⏎b"),
        ("[bold]x[/]", "[bold]x[/]"),
    ],
)  # fmt: skip
def test_clean(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_nothing_clean_steers_a_terminal(text: str) -> None:
    shown = clean(text)
    assert all(ord(each) >= 32 and not 127 <= ord(each) < 160 for each in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("walks and waves", ["walks and waves"]),
        ("note: walks and then waves", ["note: walks and then", "      waves"]),
        ("warning: walks and waves", ["warning: walks and", "         waves"]),
        ("  a.csv:7: id: is not safe", ["  a.csv:7: id: is", "  not safe"]),
        ("files     /a/long/path/of/files", ["files", "/a/long/path/of/files"]),
        ("all of `hymo show j/1`; to see", ["all of", "`hymo show j/1`; to", "see"]),
        ("走路 and 挥手 and 跳跃 and", ["走路 and 挥手 and", "跳跃 and"]),
        ("   ", ["   "]),
    ],
)
def test_long_lines_break_between_words(text: str, lines: list[str]) -> None:
    assert filled(text, 20).split("\n") == lines


@given(st.text("ab `é走\t", max_size=60), st.integers(1, 30))
def test_breaks_lose_nothing(text: str, width: int) -> None:
    assert filled(text, width).split() == text.split()
