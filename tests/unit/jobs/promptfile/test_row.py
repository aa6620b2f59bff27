"""Accepted and rejected values of every column, and the column that the message names."""

from __future__ import annotations

import json

import pytest

from jobs.domain.catalog import CATALOG
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import BadRow, Row, read_row


def text_row(**values: str) -> Row | BadRow:
    return read_row(RawRow(7, 8, {"prompt": "walks", **values}), Defaults())


def json_row(**values: object) -> Row | BadRow:
    return read_row(RawRow(7, 8, {"prompt": "walks", **values}, typed=True), Defaults())


def good(row: Row | BadRow) -> Row:
    assert isinstance(row, Row), row
    return row


def wrong(row: Row | BadRow) -> list[tuple[int | None, str | None]]:
    assert isinstance(row, BadRow), row
    for problem in row.problems:
        assert problem.message
        assert problem.mend
    return [(problem.line, problem.column) for problem in row.problems]


def test_a_row_that_says_nothing_else_gets_the_defaults_and_its_number_as_id() -> None:
    row = good(text_row())
    spec = row.spec
    assert (spec.custom_id, spec.prompt, spec.frames, spec.seed) == ("7", "walks", 100, 0)
    assert (spec.mode, spec.steps, spec.guidance, spec.priority) == ("auto", 25, 1.5, 0)
    assert (spec.formats, spec.model, dict(spec.metadata)) == (("npz",), "tiny", {})
    assert row.seeds == 1


def test_the_command_lines_defaults_fill_only_what_the_row_lacks() -> None:
    defaults = Defaults(
        mode="lite", frames=40, seeds=3, steps=9, guidance=2.0, priority=-4, formats=("bvh",)
    )
    raw = RawRow(1, 2, {"prompt": "walks", "steps": "11", "frames": ""})
    row = good(read_row(raw, defaults))
    assert (row.spec.mode, row.spec.frames, row.seeds, row.spec.steps) == ("lite", 40, 3, 11)
    assert (row.spec.guidance, row.spec.priority, row.spec.formats) == (2.0, -4, ("bvh",))


@pytest.mark.parametrize("model", CATALOG)
def test_steps_and_guidance_left_empty_are_the_models_own(model: str) -> None:
    own = (CATALOG[model].steps, CATALOG[model].guidance)
    spec = good(text_row(model=model, steps="", guidance="")).spec
    assert (spec.steps, spec.guidance) == own
    raw = RawRow(1, 2, {"prompt": "walks"})
    spec = good(read_row(raw, Defaults(model=model))).spec
    assert (spec.steps, spec.guidance) == own
    spec = good(read_row(raw, Defaults(model=model, steps=7, guidance=0.0))).spec
    assert (spec.steps, spec.guidance) == (7, 0.0), "a zero is a value, not an empty cell"
    spec = good(text_row(model=model, steps=str(own[0]), guidance=str(own[1]))).spec
    assert spec == good(text_row(model=model)).spec, "saying it is the same job"


def test_seconds_of_the_row_win_over_the_default_frames() -> None:
    row = good(read_row(RawRow(1, 2, {"prompt": "x", "seconds": "2.5"}), Defaults(frames=40)))
    assert row.spec.frames == 75


@pytest.mark.parametrize(
    ("written", "frames"),
    [("20", 20), ("360", 360), (" 70 ", 70), ("+70", 70), ("100.0", 100), ("0070", 70)],
)
def test_frames_taken(written: str, frames: int) -> None:
    assert good(text_row(frames=written)).spec.frames == frames


@pytest.mark.parametrize(
    "written",
    ["19", "361", "-50", "0", "1e2", "1e9", "nan", "inf", "٣٠", "1_00", "100.5", "0x40", "50 60",
     "fifty", "9" * 5000, "NaN", "-", "+", ".", "True", "５０", "1,0", "50,5",
     "50,000", "50 ,0"],
)  # fmt: skip
def test_frames_refused(written: str) -> None:
    assert wrong(text_row(frames=written)) == [(8, "frames")]


@pytest.mark.parametrize(("written", "frames"), [("0.67", 20), ("12", 360), (".7", 21), ("3.", 90)])
def test_seconds_taken(written: str, frames: int) -> None:
    assert good(text_row(seconds=written)).spec.frames == frames


@pytest.mark.parametrize("written", ["0.6", "12.1", "-1", "nan", "inf", "1e999", "٣", "two"])
def test_seconds_refused(written: str) -> None:
    assert wrong(text_row(seconds=written)) == [(8, "seconds")]


def test_frames_and_seconds_together_are_refused_but_an_empty_cell_is_none() -> None:
    assert wrong(text_row(frames="60", seconds="2")) == [(8, "seconds")]
    assert good(text_row(frames="60", seconds=" ")).spec.frames == 60
    assert good(json_row(frames=None, seconds=2)).spec.frames == 60


@pytest.mark.parametrize("written", ["-1", str(2**32), "1.5", "9" * 5000, "٣", "--5"])
def test_seed_refused(written: str) -> None:
    assert wrong(text_row(seed=written)) == [(8, "seed")]


def test_seeds_count_up_from_the_rows_seed() -> None:
    row = good(text_row(seed="5", seeds="3"))
    assert [spec.seed for spec in row.specs()] == [5, 6, 7]
    assert {spec.prompt for spec in row.specs()} == {"walks"}


def test_seeds_may_end_at_the_last_seed_and_not_beyond() -> None:
    assert good(text_row(seed=str(2**32 - 2), seeds="2")).seeds == 2
    assert wrong(text_row(seed=str(2**32 - 2), seeds="3")) == [(8, "seeds")]


@pytest.mark.parametrize("written", ["0", "-1", "10001", "1.5"])
def test_seeds_refused(written: str) -> None:
    assert wrong(text_row(seeds=written)) == [(8, "seeds")]


def test_words_are_taken_without_case() -> None:
    spec = good(text_row(mode=" Full ", formats="BVH ; npz", model="Tiny")).spec
    assert (spec.mode, spec.formats, spec.model) == ("full", ("bvh", "npz"), "tiny")


@pytest.mark.parametrize("written", ["huge", "fulll", "full lite", "0", "fu\x00ll"])
def test_mode_refused(written: str) -> None:
    assert wrong(text_row(mode=written)) == [(8, "mode")]


@pytest.mark.parametrize("written", ["npz;bvh", "bvh,npz", "npz bvh", "npz;;bvh;", "bvh;npz;bvh"])
def test_formats_taken(written: str) -> None:
    assert good(text_row(formats=written)).spec.formats == ("bvh", "npz")


@pytest.mark.parametrize("written", ["gif", "npz;gif", ";", "npz/bvh"])
def test_formats_refused(written: str) -> None:
    assert wrong(text_row(formats=written)) == [(8, "formats")]


@pytest.mark.parametrize("value", [[], [1], ["gif"], {"npz": 1}, 3, True, [["npz"]], [None], ""])
def test_formats_refused_in_json(value: object) -> None:
    assert wrong(json_row(formats=value)) == [(8, "formats")]


@pytest.mark.parametrize(
    ("column", "value"),
    [("steps", "0"), ("steps", "1001"), ("guidance", "-1"), ("guidance", "101"),
     ("guidance", "nan"), ("guidance", "inf"), ("guidance", "٣"), ("guidance", "1_0"),
     ("priority", "1001"), ("priority", "-1001"), ("priority", "high"), ("model", "mine")],
)  # fmt: skip
def test_other_columns_refused(column: str, value: str) -> None:
    assert wrong(text_row(**{column: value})) == [(8, column)]


def test_minus_zero_guidance_is_the_same_content_as_zero() -> None:
    assert str(good(text_row(guidance="-0.0")).spec.guidance) == "0.0"


@pytest.mark.parametrize(
    ("column", "value"),
    [("prompt", 7), ("prompt", ["walks"]), ("prompt", True), ("id", True), ("id", 1.0),
     ("id", ["a"]), ("id", {}), ("frames", "60"), ("frames", True), ("frames", 60.5),
     ("frames", [60]), ("frames", float("inf")), ("frames", 10**400), ("seed", False),
     ("seeds", "2"), ("steps", True), ("guidance", "5"), ("guidance", True),
     ("guidance", 10**400), ("priority", {}), ("mode", 1), ("mode", ["full"]), ("model", 0)],
)  # fmt: skip
def test_json_values_of_the_wrong_type_are_refused(column: str, value: object) -> None:
    assert wrong(json_row(**{column: value})) == [(8, column)]


def test_json_values_of_the_right_type_are_taken() -> None:
    spec = good(json_row(id=12, frames=60, guidance=3, seed=5.0, formats=["bvh"])).spec
    assert (spec.custom_id, spec.frames, spec.guidance) == ("12", 60, 3.0)
    assert (spec.seed, spec.formats) == (5, ("bvh",))


@pytest.mark.parametrize("prompt", ["", " ", "\t \n", "\u00a0\u3000", None])
def test_an_empty_prompt_is_refused(prompt: str | None) -> None:
    assert wrong(json_row(prompt=prompt)) == [(8, "prompt")]


BYTE_80 = chr(0xDC80)  # what the byte 0x80 is read as


@pytest.mark.parametrize("mark", ["\0", "\x07", "\x1b[31m", "\x7f", "\x85", "\ud800", BYTE_80])
def test_characters_that_no_store_or_terminal_takes_are_refused(mark: str) -> None:
    assert wrong(text_row(prompt=f"walks{mark} on")) == [(8, "prompt")]
    assert wrong(text_row(scene=f"a{mark}b")) == [(8, "scene")]


def test_prompts_in_any_language_are_taken_and_trimmed() -> None:
    prompt = "人が歩く\t👩‍🦽 — “señal”\nпотом"
    assert good(text_row(prompt=f" {prompt}\n")).spec.prompt == prompt


def test_a_prompt_may_have_4096_characters_and_no_more() -> None:
    assert good(text_row(prompt="é" * 4096)).seeds == 1
    assert wrong(text_row(prompt="é" * 4097)) == [(8, "prompt")]


def test_other_columns_are_kept_as_text() -> None:
    assert good(text_row(scene="a, b", note="")).spec.metadata == {"scene": "a, b", "note": ""}
    nested = {"tags": ["é", 1], "n": 1.5, "ok": True, "none": None}
    assert good(json_row(**nested)).spec.metadata == {"tags": '["é",1]', "n": "1.5", "ok": "true"}


def test_metadata_has_limits() -> None:
    assert wrong(text_row(note="x" * 16_385)) == [(8, "note")]
    assert wrong(text_row(a="x" * 9000, b="x" * 9000)) == [(8, None)]
    assert wrong(text_row(**{f"c{place}": "" for place in range(101)})) == [(8, None)]
    assert wrong(text_row(**{"k" * 101: "x"})) == [(8, None)]
    assert wrong(text_row(**{"a\x00b": "x"})) == [(8, None)]
    assert wrong(json_row(n=float("inf"))) == [(8, "n")]


def test_all_problems_of_a_row_are_found() -> None:
    row = text_row(prompt="", id="../x", frames="1", seed="-1", seeds="0", mode="x", steps="x",
                   guidance="x", priority="x", formats="x", model="x")  # fmt: skip
    assert [column for _, column in wrong(row)] == [
        "id", "prompt", "frames", "seed", "seeds", "model", "mode", "steps", "guidance",
            "priority", "formats",
    ]  # fmt: skip


def test_messages_stay_short_and_printable_whatever_the_value() -> None:
    for value in ("x" * 10**6, "\x1b]0;title\x07", "\ud800", "' OR 1=1 --", "$(reboot)"):
        row = text_row(mode=value, id=value)
        assert isinstance(row, BadRow)
        for problem in row.problems:
            line = problem.located("prompts.csv")
            assert len(line) < 300
            assert line.isprintable()
            json.dumps(line).encode()
