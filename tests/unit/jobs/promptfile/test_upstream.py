"""Upstream's two formats: .txt lines, and .json categories of such lines."""

from __future__ import annotations

import pytest

from jobs.promptfile.row import BadRow, Row


def test_txt_lines(read) -> None:
    rows = read("A man walks.#60#001\r\n\r\n A woman runs. \nShe jumps # 90\nHe sits##x\n", "txt")
    found = [(row.spec.custom_id, row.spec.prompt, row.spec.frames, row.line) for row in rows]
    assert found == [
        ("001", "A man walks.", 60, 1),
        ("2", "A woman runs.", 100, 3),
        ("3", "She jumps", 90, 4),
        ("x", "He sits", 100, 5),
    ]


@pytest.mark.parametrize(
    ("line", "column"),
    [("walks#1000", "frames"), ("walks#sixty#a", "frames"), ("walks#60#../x", "id"),
     ("#60#a", "prompt"), ("# a comment", "prompt"), ("walks#60#a#b", None),
     ("walks#60.5", "frames")],
)  # fmt: skip
def test_bad_txt_lines(read, line: str, column: str | None) -> None:
    _, bad = read(f"fine\n{line}\n", "txt")
    assert isinstance(bad, BadRow)
    assert (bad.problems[0].line, bad.problems[0].column) == (2, column)


def test_categories_become_metadata_and_entries_know_their_line(read) -> None:
    lines = ['{ "locomotion": [', '    "A man walks#60#001",', '    "He runs"', "  ],", "", "",
             '  "élan": ["x"],"e":[]}']  # fmt: skip
    content = "\n".join(lines)
    rows = read("\ufeff" + content, "json")
    assert all(isinstance(row, Row) for row in rows)
    found = [(r.spec.custom_id, r.spec.frames, r.line, dict(r.spec.metadata)) for r in rows]
    assert found == [
        ("001", 60, 2, {"category": "locomotion"}),
        ("2", 100, 3, {"category": "locomotion"}),
        ("3", 100, 7, {"category": "élan"}),
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", 1), ("{}", 1), ('{"a": []}', 1), ("[1]", 1), ('{"a": "walks"}', 1),
        ('{"a": ["walks"', 1), ('{\n"a": ["walks"\n', 3), ('{"a": ["walks"]} x', 1),
        ('{"a": ["walks"],\n "a": ["hops"]}', 2), ('{"a" ["walks"]}', 1), ("{1: []}", 1),
        ('{"a": ["wal', 1), ('{"a": [' + "[" * 100_000, 1), ('{"a": ["x" "y"]}', 1),
        ('{"a": ["x"],}', 1), ('{"a": ["x",]}', 1), ("nul", 1),
    ],
)  # fmt: skip
def test_documents_of_another_form_are_refused(refused, content: str, line: int) -> None:
    error = refused(content, "json")
    assert error.problems[-1].line == line
    assert "--format" in str(error) or "category" in str(error)


@pytest.mark.parametrize(
    "entry", ["3", "null", '{"prompt": "x"}', '["x"]', "true", "[" * 900 + "]" * 900]
)
def test_entries_that_are_not_text_spoil_only_themselves(read, entry: str) -> None:
    rows = read('{"a": ["one",' + entry + ', "three"]}', "json")
    assert [type(row) for row in rows] == [Row, BadRow, Row]


def test_ids_repeated_across_categories_are_found(read) -> None:
    _, bad = read('{"a": ["walks#60#001"], "b": ["hops#60#001"]}', "json")
    assert isinstance(bad, BadRow)
    assert bad.problems[0].column == "id"
