"""Files of any content take time in proportion to their size, and their problems are short."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from jobs.promptfile import source as sources
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.row import BadRow, Row
from jobs.promptfile.source import open_source

N = 100_000
#: CPU seconds that each of these may take; with any quadratic step they take minutes.
MOST = 5.0

LONG = {
    "columns": ("csv", "prompt," + ",".join(f"c{n}" for n in range(N)) + "\nwalks\n"),
    "unnamed": ("csv", "prompt" + "," * N + "\n" + "walks\n" * 5_000),
    "keys": ("jsonl", '{"prompt": "walks", ' + ",".join(f'"c{n}": 1' for n in range(N)) + "}\n"),
    "one key": ("jsonl", '{"prompt": "walks", ' + ",".join(['"c": 1'] * N) + "}\n"),
    "long key": ("jsonl", '{"prompt": "walks", ' + ",".join([f'"{"c" * N}": 1'] * 2) + "}\n"),
    "zeros": ("csv", f"prompt,frames\nwalks,{'0' * N}x\n"),
    "zeros in a line": ("txt", f"walks#{'0' * N}x\n"),
    "digits": ("csv", f"prompt,seconds\nwalks,{'9' * N}\n"),
    "tabs": ("csv", "sep=;" + "\t" * N + "x\nprompt\nwalks\n"),
    "marks": ("csv", "prompt,id\nwalks," + "\u0315\u0300" * N + "\n"),
    "tokens": ("txt", "walks#" + "a/A " * N + "?\n"),
    "quotes": ("csv", "prompt,a\n" + 'walks,"\n' * N),
    "spaces": ("csv", "prompt,a\nwalks," + ", " * N + 'x"\n'),
    "cells": ("csv", "prompt,a\nwalks" + ',"x' * N + "\n"),
    "nested": ("jsonl", '{"prompt": ' + "[" * N + "\n"),
    "categories": ("json", "{" + ",".join(f'"c{n}": ["walks"]' for n in range(N // 10)) + "}"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LONG)
def test_reading_is_linear_and_messages_are_short(read, refused, kind: str) -> None:
    format_name, content = LONG[kind]
    began = time.process_time()
    try:
        rows = read(content, format_name)
    except PromptFileError as error:
        problems = list(error.problems)
    except Exception as error:
        problems = [error.problem]  # type: ignore[attr-defined]  # of an UnreadableError
    else:
        problems = [each for row in rows if isinstance(row, BadRow) for each in row.problems]
        assert rows
    assert time.process_time() - began < MOST
    assert len(problems) <= 200 or kind == "quotes"
    assert all(len(problem.reason) < 500 for problem in problems)


def test_a_header_of_too_many_columns_says_how_many_are_allowed(read, refused) -> None:
    names = ",".join(f"c{number}" for number in range(999))
    (row,) = read(f"prompt,{names}\nwalks\n")
    assert "keep 100" in row.problems[0].reason
    error = refused(f"prompt,{names},one\nwalks\n")
    assert "prompts.csv:1: the header has 1001 columns, and the most is 1000" in str(error)


def test_columns_without_a_name_at_the_end_are_no_columns(read) -> None:
    """As a spreadsheet writes them that once had a cell far to the right."""
    (row,) = read(f"prompt,id{',' * 16_382}\nwalks,a{',' * 16_382}\n")
    assert isinstance(row, Row)
    (row,) = read(f"prompt,id{',' * 16_382}\nwalks,a{',' * 16_000}x\n")
    assert "cell 16002 has no column name" in row.problems[0].reason


def test_an_object_of_too_many_keys_says_how_many_are_allowed(read) -> None:
    keys = ",".join(f'"c{number}": 1' for number in range(1000))
    (row,) = read('{"prompt": "walks", ' + keys + "}", "jsonl")
    assert "has 1001 keys, and the most is 1000" in row.problems[0].reason


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-0", 0), ("000" + "9" * 30, 9), ("07", 7)])
def test_whole_numbers_with_zeros_before_them(read, text: str, value: int) -> None:
    (row,) = read(f"prompt,priority\nwalks,{text}\n")
    if value == 9:
        assert "is out of range" in row.problems[0].reason
    else:
        assert row.spec.priority == value


@pytest.mark.parametrize("argument", ["-", "/dev/zero"])
def test_an_endless_stream_ends(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_STREAM", 8 * 2**20)
    with (
        Path("/dev/zero").open("rb") as endless,
        pytest.raises(PromptFileError, match="are read up to 8 MiB; save it as a file"),
        open_source(argument, format_name="csv", stdin=endless),
    ):
        pass


def test_a_stream_of_the_allowed_size_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_STREAM", 13)
    stdin = io.BytesIO(b"prompt\nwalks\n")
    with open_source("-", format_name="csv", stdin=stdin) as source, source.text() as text:
        assert text.read() == "prompt\nwalks\n"
