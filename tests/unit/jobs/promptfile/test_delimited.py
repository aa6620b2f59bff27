"""CSV as written by people and spreadsheets."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.records import read_records
from jobs.promptfile.row import BadRow, Row
from jobs.promptfile.source import numbered_lines


def prompts(rows: list[Row | BadRow]) -> list[str]:
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.spec.prompt for row in rows if isinstance(row, Row)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", [True, False])
def test_byte_order_mark_and_newlines(read, newline: str, mark: str, end: bool) -> None:
    lines = ["prompt,id", "walks,a", '"jumps', 'high",b']
    rows = read(mark + newline.join(lines) + (newline if end else ""))
    assert prompts(rows) == ["walks", "jumps\nhigh"]
    assert [row.line for row in rows] == [2, 3]


def test_quotes_commas_and_newlines_inside_cells(read) -> None:
    content = 'id,prompt,note\na,"walks, then ""hops"" a bit",5" tall\n\nb,"two\n\nlines",\n'
    rows = read(content)
    assert prompts(rows) == ['walks, then "hops" a bit', "two\n\nlines"]
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 4)]
    assert rows[0].spec.metadata == {"note": '5" tall'}


def test_known_columns_are_found_without_case_and_others_keep_theirs(read) -> None:
    (row,) = read("Prompt, FRAMES ,Scene\nwalks,60,Park\n")
    assert (row.spec.frames, dict(row.spec.metadata)) == (60, {"Scene": "Park"})


def test_unnamed_columns_may_stay_empty_but_not_hold_anything(read, refused) -> None:
    assert prompts(read("prompt,,\nwalks,,\n")) == ["walks"]
    assert "cell 2 has no column name" in str(refused("prompt,,\nwalks,x,\n"))


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("", 1, "the file is empty"),
        ("\n\n\n", 1, "the file is empty"),
        ("\ufeff", 1, "the file is empty"),
        ("prompt,id\n", None, "no row"),
        ("id,frames\na,60\n", 1, "prompt: no such column"),
        ('i"\rd,frames\n"', 1, "no such column in the header 'i\"'"),
        ("prompt|frames\nwalks|60\n", 1, "first line sep=|"),
        ("sep=:\nprompt:frames\nwalks:60\n", 1, "sep=: cannot be read"),
        ("sep=;\nprompt,frames\nwalks,60\n", 2, "no such column"),
        ("prompt,id,Prompt\nwalks,a,b\n", 1, "twice"),
        ("prompt,x,x\nwalks,a,b\n", 1, "twice"),
        ('prompt,id\nwalks,a\n"jumps,b\nhops,c\n', 3, "never closed"),
        ('prompt,id\nwalks,"', 2, "cell 2 is never closed"),
        ("prompt,id\nwalks, then turns,a\n", 2, "3 cells where the header has 2"),
        ('prompt,id\n"walks"ing,a\n', 2, "closing quote"),
        ("prompt\n \n\twalks\x00\n", 3, "NUL"),
    ],
)
def test_refused_with_line_and_mend(refused, content: str, line: int | None, what: str) -> None:
    error = refused(content)
    assert isinstance(error, PromptFileError)
    assert error.exit_code == 2
    assert error.total == 1
    assert error.problems[0].line == line
    assert what in str(error)
    assert ("prompts.csv" if line is None else f"prompts.csv:{line}: ") in str(error)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_wide_encodings_are_named(refused, encoding: str) -> None:
    error = refused("prompt,id\nwalks,a\n".encode(encoding))
    assert error.total == 1
    assert "UTF-8" in str(error)


def test_bytes_that_are_not_utf8_spoil_only_their_row(read) -> None:
    good, bad, after = read(b"prompt,id\nwalks,a\nge\xfce hin,b\nhops,c\n")
    assert isinstance(good, Row)
    assert isinstance(after, Row)
    assert isinstance(bad, BadRow)
    assert [(p.line, p.column) for p in bad.problems] == [(3, "prompt")]
    assert "0xfc is not UTF-8" in bad.problems[0].message


@pytest.mark.parametrize("quoted", [True, False])
def test_a_ten_megabyte_cell_spoils_only_its_row(read, quoted: bool) -> None:
    cell = "x" * 10_000_000 if not quoted else '"' + "xxxxxxxxx\n" * 1_000_000 + '"'
    rows = read(f"prompt,id\nwalks,a\n{cell},b\nhops,c\n")
    assert [type(row) for row in rows] == [Row, BadRow, Row]
    assert [(p.line, p.column) for p in rows[1].problems] == [(3, "prompt")]
    assert len(str(rows[1].problems[0])) < 300


def test_a_row_without_end_stops_the_reading_before_memory_is_full(refused) -> None:
    error = refused('prompt,id\nwalks,a\n"' + "x" * (17 * 2**20))
    assert (error.total, error.problems[0].line) == (1, 3)
    assert "longer than 16 Mi" in str(error)
    error = refused('prompt,id\nwalks,a\n"' + "xxxxxxxxx\n" * 2**21)
    assert (error.total, error.problems[0].line) == (1, 3)
    assert "longer than 16 Mi" in str(error)


def test_the_last_problem_is_listed_even_after_fifty_others(refused) -> None:
    error = refused("prompt,frames\n" + "walks,1\n" * 60 + 'walks,"60\n')
    assert (error.total, len(error.problems)) == (61, 50)
    assert "never closed" in str(error)
    assert str(error).endswith("… and 11 more")


cells = st.text(alphabet=st.sampled_from('ab,"\n é'), max_size=6)


@given(st.lists(st.lists(cells, min_size=2, max_size=4), max_size=6))
def test_whatever_the_standard_writer_writes_is_read_back(records: list[list[str]]) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(records)
    stream.seek(0)
    found = [(record.cells, record.fault) for record in read_records(numbered_lines(stream), ",")]
    assert found == [(record, None) for record in records]
