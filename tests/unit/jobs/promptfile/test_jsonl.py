"""JSON Lines: types, invalid lines, and values that cannot be stored."""

from __future__ import annotations

import pytest

from jobs.promptfile.row import BadRow, Row


def test_rows_blank_lines_and_a_byte_order_mark(read) -> None:
    content = '\ufeff{"prompt": "walks", "id": "a", "Frames": 60}\r\n\r\n{"prompt": "hops"}'
    first, second = read(content, "jsonl")
    assert (first.spec.custom_id, first.spec.frames, first.line) == ("a", 60, 1)
    assert (second.spec.custom_id, second.line) == ("2", 3)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "not valid JSON at character 2"),
        ("walks", "not valid JSON at character 1"),
        ('["walks"]', "is not an object"),
        ('"walks"', "is not an object"),
        ("null", "is not an object"),
        ('{"prompt": "walks"} {}', "not valid JSON"),
        ('{"prompt": "walks", "guidance": NaN}', "NaN is not a JSON number"),
        ('{"prompt": "walks", "x": -Infinity}', "-Infinity is not a JSON number"),
        ('{"prompt": "walks", "seed": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"prompt": "walks", "x": ' + "[" * 100_000 + "}", "nested too deeply"),
        ('{"prompt": "walks", "x": ' + "[" * 500 + "]" * 500 + "}", "nested too deeply"),
        ('{"prompt": "walks", "prompt": "hops"}', "twice"),
        ('{"prompt": "walks", "Prompt": "hops"}', "twice"),
        ('{"prompt": "walks", "x": {"a": 1, "a": 2}}', "twice"),
        ('{"prompt": "wal\\ud800ks"}', "surrogate"),
        ('{"prompt": "walks", "x": "\\ud800"}', "surrogate"),
        ('{"prompt": "walks", "x": ["\\ud800"]}', "surrogate"),
        ('{"prompt": "walks", "\\ud800": "x"}', "column name"),
        ('{"prompt": "walks", "": "x"}', "column name"),
        ('{"prompt": "walks", "x": "\\u0000"}', "NUL"),
        ('{"prompt": "walks", "x": 1e999}', "cannot be kept"),
        ('{"prompt": "walks", "frames": 1e999}', "frames: inf"),
        ('{"id": "a"}', "prompt: is missing"),
        ("{}", "prompt: is missing"),
        ('{"prompt": "wal\x01ks"}', "not valid JSON"),
    ],
)
def test_a_bad_line_spoils_only_itself(read, line: str, what: str) -> None:
    before, bad, after = read(f'{{"prompt": "one"}}\n{line}\n{{"prompt": "three"}}\n', "jsonl")
    assert isinstance(before, Row)
    assert isinstance(after, Row)
    assert after.spec.custom_id == "3"
    assert isinstance(bad, BadRow)
    assert len(bad.problems) == 1
    assert what in bad.problems[0].reason
    assert bad.problems[0].line == 2
    assert bad.problems[0].located("f").isprintable()


def test_hostile_keys_are_escaped_in_messages(read) -> None:
    (bad,) = read('{"prompt": "x", "\\u001b[2J": 1, "\\u001b[2J": 2}', "jsonl")
    assert "twice" in bad.problems[0].message
    assert all(problem.located("f").isprintable() for problem in bad.problems)


def test_nesting_is_kept_up_to_a_depth(read) -> None:
    (row,) = read('{"prompt": "walks", "x": ' + "[" * 31 + "]" * 31 + "}", "jsonl")
    assert row.spec.metadata == {"x": "[" * 31 + "]" * 31}


def test_an_empty_file_is_refused(refused) -> None:
    assert refused("\n \n", "jsonl").problems[0].line == 1
