"""Tables as spreadsheets write them: delimiters, encodings, quoting, blanks, numbers."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.promptfile.cell import INVISIBLE, trimmed
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.encoding import fault
from jobs.promptfile.invalid import invalid_path, invalid_rows
from jobs.promptfile.problem import PromptFileError, UnreadableError
from jobs.promptfile.row import BadRow, Row
from jobs.promptfile.source import Source, open_source
from jobs.promptfile.survey import read_rows, survey


def rows_of(content: bytes, format_name: str = "csv", encoding: str | None = None):
    source = Source("f", "f", "f", Path(), format_name, io.BytesIO(content), encoding)
    return list(read_rows(source, Defaults()))


def recognised(content: bytes, format_name: str = "csv", encoding: str | None = None):
    source = Source("f", "f", "f", Path(), format_name, io.BytesIO(content), encoding)
    return survey(source, Defaults()).reading.recognised


@dataclass(frozen=True)
class Habits:
    """How a program writes a table."""

    delimiter: str = ","
    encoding: str = "utf-8"
    quoting: int = csv.QUOTE_MINIMAL
    newline: str = "\r\n"
    declared: bool = False
    trailing: int = 0
    blank_rows: int = 0
    decimal: str = "."
    space: str = ""

    def write(self, header: list[str], rows: list[list[str]]) -> bytes:
        stream = io.StringIO()
        if self.declared:
            stream.write(f"sep={self.delimiter}{self.newline}")
        writer = csv.writer(
            stream, delimiter=self.delimiter, quoting=self.quoting, lineterminator=self.newline
        )
        writer.writerow([*header, *[""] * self.trailing])
        for row in rows:
            writer.writerow([*row, *[""] * self.trailing])
        for _ in range(self.blank_rows):
            stream.write(self.delimiter * (len(header) + self.trailing - 1) + self.newline)
        return stream.getvalue().encode(self.encoding)


HABITS = st.one_of(
    # Excel: CSV, CSV UTF-8, Unicode text; the delimiter and the decimal mark are the region's.
    st.builds(
        Habits,
        delimiter=st.sampled_from(",;"),
        encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
        declared=st.booleans(),
        trailing=st.integers(0, 3),
        blank_rows=st.integers(0, 3),
        decimal=st.sampled_from(".,"),
    ),
    st.builds(
        Habits,
        delimiter=st.just("\t"),
        encoding=st.just("utf-16"),
        blank_rows=st.integers(0, 3),
        decimal=st.sampled_from(".,"),
    ),
    # LibreOffice: any delimiter and encoding, all text cells quoted on demand.
    st.builds(
        Habits,
        delimiter=st.sampled_from(",;\t"),
        encoding=st.sampled_from(["utf-8", "utf-16"]),
        quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        newline=st.just("\n"),
        decimal=st.sampled_from(".,"),
    ),
    # Google: CSV in UTF-8, commas in every region.
    st.builds(Habits, trailing=st.integers(0, 2), decimal=st.sampled_from(".,")),
)
TEXT = st.text(st.sampled_from('ab,;\t"\n é走🚶|#=\u00a0\u200b'), max_size=12)
PROMPTS = TEXT.filter(trimmed)
TABLE = st.lists(st.tuples(PROMPTS, st.integers(70, 1200), TEXT), min_size=1, max_size=5)


@given(habits=HABITS, table=TABLE)
def test_what_a_spreadsheet_writes_is_what_is_read(habits: Habits, table) -> None:
    cells = [
        [prompt, f"{hundredths // 100}{habits.decimal}{hundredths % 100:02d}", note]
        for prompt, hundredths, note in table
    ]
    found = rows_of(habits.write(["prompt", "seconds", "note"], cells))
    assert all(isinstance(row, Row) for row in found), found
    assert [(row.number, row.spec.prompt, row.spec.frames, row.spec.metadata) for row in found] == [
        (number, trimmed(prompt), round(hundredths / 100 * 30), {"note": note.strip(INVISIBLE)})
        for number, (prompt, hundredths, note) in enumerate(table, 1)
    ]


@given(table=TABLE, place=st.integers(0, 10_000), delimiter=st.sampled_from(",;\t"))
def test_a_lost_quote_never_cuts_a_prompt(table, place: int, delimiter: str) -> None:
    """A row whose quotes do not match is refused, or has the prompt that was written."""
    cells = [[prompt.replace("\n", " "), note.replace("\n", " ")] for prompt, _, note in table]
    habits = Habits(delimiter=delimiter, newline="\n", quoting=csv.QUOTE_MINIMAL)
    text = habits.write(["prompt", "note"], cells).decode()
    quotes = [at for at, mark in enumerate(text) if mark == '"']
    assume(quotes)
    at = quotes[place % len(quotes)]
    try:
        found = rows_of((text[:at] + text[at + 1 :]).encode())
    except UnreadableError:
        return
    written = [trimmed(trimmed(prompt).replace('"', "")) for prompt, _ in cells]
    assume(all(len(prompt) > 2 for prompt in written))
    for row in found:
        if isinstance(row, Row):
            prompt = row.spec.prompt.replace('"', "")
            assert any(each in prompt for each in written), (prompt, written)


@given(habits=HABITS, table=TABLE, extra=st.sampled_from(["", "x"]))
def test_invalid_rows_are_read_again_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, habits: Habits, table, extra: str
) -> None:
    """What --skip-invalid writes has the same faults, prompts, lengths and notes."""
    folder = tmp_path_factory.mktemp("sheets")
    cells = [
        [prompt, f"2{habits.decimal}5", "0", note, extra] if extra else
        [prompt, f"2{habits.decimal}5", "0", note]
        for prompt, _, note in table
    ]  # fmt: skip
    path = folder / "prompts.csv"
    path.write_bytes(
        replace(habits, trailing=0).write(["prompt", "seconds", "seeds", "note"], cells)
    )
    first = _skip(path)
    assert all(isinstance(row, BadRow) for row in first)
    again = _skip(folder / "prompts.invalid.csv")
    assert [[each.column for each in row.problems] for row in again] == [
        [each.column for each in row.problems] for row in first
    ]
    for was, row in zip(first, again, strict=True):
        values = {name: row.raw.values[name] for name in was.raw.values}
        assert values == was.raw.values
        assert row.raw.values["id"] == str(was.raw.number)


def _skip(path: Path) -> list[BadRow]:
    rows: list[BadRow] = []
    with open_source(str(path), format_name=None, stdin=io.BytesIO()) as source:
        with invalid_rows(source) as out:
            survey(source, Defaults(), rejected=lambda row: (rows.append(row), out.write(row)))
        assert invalid_path(source).exists()
    return rows


def test_rows_of_nothing_but_commas_take_their_number_and_blank_lines_do_not() -> None:
    first, second = rows_of(
        b"\n,,\nprompt,id,note\n,,\nwalks,,\n\n , ,\n,,,,,\n\xc2\xa0,,\nhops,,x\n"
    )
    assert [(row.number, row.line, row.spec.prompt) for row in (first, second)] == [
        (2, 5, "walks"), (6, 10, "hops"),
    ]  # fmt: skip


def test_a_quote_in_a_column_name_takes_no_row() -> None:
    found = rows_of(b'prompt,5" tall\nwalks,a\nhops,b"\nruns,"c"\n')
    assert [(row.line, row.spec.metadata) for row in found] == [
        (2, {'5" tall': "a"}), (3, {'5" tall': 'b"'}), (4, {'5" tall': "c"}),
    ]  # fmt: skip


def test_surplus_empty_cells_are_ignored_and_missing_ones_are_empty() -> None:
    found = rows_of(b"prompt,frames,note\nwalks,60,x,,\nhops\nruns,,y, \n")
    assert [(row.spec.frames, dict(row.spec.metadata)) for row in found] == [
        (60, {"note": "x"}), (100, {"note": ""}), (100, {"note": "y"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ['walks "fast, 60', 'walks, then "stops",,', 'he is 5" tall', '"a"b,60,,', "walks,60,,x"],
)
def test_rows_that_cannot_be_told_for_certain_are_refused(line: str) -> None:
    (row,) = rows_of(f"prompt,frames,note\n{line}\n".encode())
    assert isinstance(row, BadRow), row


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("prompt;seconds\nwalks, then stops;2,5\n", ("semicolons", "decimal commas")),
        ("sep=;\nprompt;seconds\nwalks, then stops;2.5\n", ("semicolons",)),
        ('"sep=;"\r\nprompt;seconds\nwalks, then stops;2.5\n', ("semicolons",)),
        ("sep=,\nprompt,seconds\n\"walks, then stops\",2.5\n", ()),
        ("SEP=|\nprompt|seconds\nwalks, then stops|2.5\n", ("bars",)),
        ("prompt\tseconds\nwalks, then stops\t2,5\n", ("tabs", "decimal commas")),
        ('prompt,seconds\n"walks, then stops","2,5"\n', ("decimal commas",)),
        ('"prompt";"a\nb";"seconds"\nwalks, then stops;;2.5\n', ("semicolons",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_encodings_are_recognised_and_said(content, labels, encoding: str) -> None:
    (row,) = rows_of(content.encode(encoding))
    assert (row.spec.prompt, row.spec.frames) == ("walks, then stops", 75)
    wide = ("UTF-16",) if encoding == "utf-16" else ()
    assert recognised(content.encode(encoding)) == labels + wide


def test_a_tsv_file_may_have_one_column_of_prompts_with_commas(read) -> None:
    (row,) = read("prompt\nwalks, then stops\n", "tsv")
    assert row.spec.prompt == "walks, then stops"
    (row,) = read("prompt,frames\nwalks,60\n", "tsv")
    assert row.spec.frames == 60


def test_a_file_with_commas_stays_one_whatever_else_it_contains() -> None:
    (row,) = rows_of(b"prompt,a;b\twide\nwalks; then stops\tsoon,x;y\n")
    assert row.spec.prompt == "walks; then stops\tsoon"


@pytest.mark.parametrize("space", [" ", "   "])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spaces_before_an_opening_quote_do_not_cut_the_cell(space: str, delimiter: str) -> None:
    text = f"A person{delimiter} walks{delimiter} then stops."
    line = delimiter.join(["w1", f'{space}"{text}"', f'{space}"{text}"', "z"])
    header = delimiter.join(["id", "prompt", f'{space}"note"', "more"])
    (row,) = rows_of(f"{header}\n{line}\n".encode())
    assert (row.spec.custom_id, row.spec.prompt) == ("w1", text)
    assert row.spec.metadata == {"note": text, "more": "z"}
    assert row.reread


@pytest.mark.parametrize("white", ["\u00a0", "\u2003", " \u200b"])
def test_other_white_space_before_a_quote_is_refused(white: str) -> None:
    (row,) = rows_of(f'id,prompt,note\nw1,{white}"A person walks, then stops."\n'.encode())
    assert isinstance(row, BadRow)
    assert "before an opening quote" in row.problems[0].message


def test_a_quote_after_a_space_that_stays_open_ends_the_reading() -> None:
    with pytest.raises(UnreadableError, match="cell 2 is not closed on its line"):
        rows_of(b'prompt,note\nwalks, "\nruns, "\n')


def test_rows_that_read_as_before_keep_their_cells_and_hash() -> None:
    """Spaces of cells without quotes, and cells in quotes that begin with a space and a quote."""
    found = rows_of(b'prompt,note\nwalks, b \n" ""x""", c\n"hops, ""y""", d\n')
    assert [(row.spec.prompt, row.spec.metadata["note"], row.reread) for row in found] == [
        ("walks", " b ", False), ('"x"', " c", False), ('hops, "y"', " d", False),
    ]  # fmt: skip
    assert [row.spec.row_hash() for row in found] == [  # those of the reader before
        "2c6a93ed17282aa25d91eb26631eb992",
        "878bfe0d63746ccc6809e8568665c5c6",
        "4b83a30c330dd79d9539ee0de9dacf5d",
    ]


def test_invisible_spaces_are_trimmed_and_the_rows_are_counted() -> None:
    content = "\u200bprompt\u00a0,\ufeffid,frames,note\n"
    content += "\u00a0walks\u200b,\u2060w1 ,60\u202f,\u00a0x\u200b\nhops,,,\n"
    with_mark, plain = rows_of(content.encode())
    assert with_mark.spec.prompt == "walks"
    assert (with_mark.spec.custom_id, with_mark.spec.frames) == ("w1", 60)
    assert with_mark.spec.metadata == {"note": "x"}
    assert plain.reread  # its columns had other names
    (same, other) = rows_of("prompt,note\n\u00a0walks,x\nhops,\u00a0x\n".encode())
    assert (same.reread, other.reread) == (False, True)


@pytest.mark.parametrize("column", ["frames", "seconds", "seed", "guidance"])
@pytest.mark.parametrize("number", ["1,000", "1.000", "2,500"])
def test_numbers_that_can_be_read_in_two_ways_are_refused(column: str, number: str) -> None:
    (row,) = rows_of(f"prompt;{column}\nwalks;{number}\n".encode())
    if number == "1.000" and column in {"seconds", "guidance"}:
        assert isinstance(row, Row)  # a dot is a decimal mark where there may be decimals
    else:
        assert isinstance(row, BadRow)
        assert "two ways" in row.problems[0].message


def test_western_and_chinese_encodings_are_named_and_read_when_given() -> None:
    western = "prompt,id\nUne danseuse créée à Genève,a\nElle hop,b\n".encode("windows-1252")
    bad, good = rows_of(western)
    assert isinstance(good, Row)
    assert "Windows-1252" in bad.problems[0].mend
    assert "--encoding windows-1252" in bad.problems[0].mend
    assert rows_of(western, encoding="cp1252")[0].spec.prompt == "Une danseuse créée à Genève"
    chinese = "prompt,id\nwalks,a\n一个人向前走，然后停下来。,b\n".encode("gb18030")
    for format_name in ("csv", "txt"):
        with pytest.raises(UnreadableError, match="GB18030") as error:
            rows_of(chinese, format_name)
        assert "--encoding gb18030" in error.value.problem.mend
    assert rows_of(chinese, encoding="GB18030")[1].spec.prompt == "一个人向前走，然后停下来。"
    with pytest.raises(UnreadableError, match="GB18030"):
        rows_of("prompt,场景说明\nwalks,x\n".encode("gb18030"))


def test_an_encoding_is_named_beside_other_problems() -> None:
    (bad,) = rows_of("prompt\nGehört, dann gehüpft\n".encode("cp1252"))
    assert ["cells" in bad.problems[0].message, bad.problems[1].message] == [True, "is not UTF-8"]
    assert "Windows-1252" in bad.problems[1].mend


@pytest.mark.parametrize("name", ["hex", "rot13", "idna", "unicode_escape", "utf-7", "bogus", ""])
def test_what_is_not_an_encoding_of_files(name: str) -> None:
    assert fault(name)


@pytest.mark.parametrize("name", ["cp1252", "GB18030", "Windows-1251", "big5", "utf-16", "UTF8"])
def test_what_is_one(name: str) -> None:
    assert fault(name) is None


def test_russian_is_not_taken_for_either() -> None:
    (row,) = rows_of("prompt\nЧеловек идёт вперёд\n".encode("windows-1251"))
    assert row.problems[0].mend == "save the file as UTF-8, or give its --encoding"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("prompt\nGehört\n".encode(), "cp1252"),
        ("prompt\nwalks\n".encode("utf-8-sig"), "latin-1"),
        ("prompt\nwalks\n".encode("utf-16"), "utf-8"),
        ("prompt\nwalks\n".encode("utf-16"), "gb18030"),
    ],
)
def test_an_encoding_that_contradicts_the_file_is_refused(content: bytes, encoding: str) -> None:
    with pytest.raises(UnreadableError, match="but the file is UTF-"):
        rows_of(content, encoding=encoding)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32", "shift_jis", "UTF8"])
@pytest.mark.parametrize("format_name", ["csv", "txt", "jsonl", "json"])
def test_any_encoding_of_any_format_can_be_given(encoding: str, format_name: str) -> None:
    content = {
        "csv": "prompt\nwalks\n", "txt": "walks\n", "jsonl": '{"prompt": "walks"}\n',
        "json": '{"a": ["walks"]}',
    }[format_name]  # fmt: skip
    (row,) = rows_of(content.encode(encoding), format_name, encoding)
    assert row.spec.prompt == "walks"


def test_bytes_that_are_not_in_the_encoding_are_refused_with_their_line() -> None:
    content = "prompt\n走路\n".encode("gb18030") * 3000
    with pytest.raises(UnreadableError, match="0xff at offset 36000") as error:
        rows_of(content + b"\xff\xff\n", encoding="gb18030")
    assert error.value.problem.line == 6001
    with pytest.raises(UnreadableError, match="utf-16"):
        rows_of("prompt\nwalks".encode("utf-16") + b"x")


def test_half_a_pair_in_utf16_spoils_only_its_row() -> None:
    content = "prompt\nwalks\nx\ud83d\nhops\n".encode("utf-16", "surrogatepass")
    assert [type(row) for row in rows_of(content)] == [Row, BadRow, Row]


@pytest.mark.parametrize(
    ("line", "name", "mend"),
    [
        ("a man walks.#a/DET man/NOUN walk/VERB#0.0#0.0", "HumanML3D", "cut -d'#' -f1"),
        ("a man walks.#a/DET man/NOUN walk/VERB", "HumanML3D", "cut -d'#' -f1"),
        ("a man walks.#NA", "MoMask", "by 1.5"),
    ],
)
def test_lists_of_other_tools_are_named(read, opened, line: str, name: str, mend: str) -> None:
    (bad,) = read(line + "\n", "txt")
    assert name in bad.problems[0].message
    assert mend in bad.problems[0].mend
    with opened(f"walks\n{line}\n", "txt") as source:
        with invalid_rows(source) as out:
            survey(source, Defaults(), rejected=out.write)
        (again,) = rows_of(invalid_path(source).read_bytes())
    assert isinstance(again, BadRow), "the line became a prompt"


@pytest.mark.parametrize(
    ("lines", "likely"),
    [
        (["walks#132", "hops#NONE"], None),
        (["walks#132", "hops"], True),
        (["walks#132", "hops#90"], False),
        (["walks#132#a", "hops#120"], False),
        (["walks", "hops"], False),
    ],
)
def test_lengths_that_may_be_momasks_are_noted(opened, lines: list[str], likely) -> None:
    with opened("\n".join(lines), "txt") as source:
        found = survey(source, Defaults())
    assert found.reading.momask is likely or found.invalid


def test_a_file_that_contradicts_its_encoding_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\nGehört\n")
    with (
        open_source(str(path), format_name=None, stdin=io.BytesIO(), encoding="cp1252") as source,
        pytest.raises(PromptFileError, match=r"prompts\.csv: --encoding is cp1252"),
    ):
        survey(source, Defaults())


@pytest.mark.parametrize("name", ["night.xlsx", "night.XLS", "night.ods", "night.numbers"])
def test_a_workbook_is_to_be_saved_as_csv(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04")
    with (
        pytest.raises(PromptFileError, match=r"workbook.*save the sheet as CSV"),
        open_source(str(path), format_name=None, stdin=io.BytesIO()),
    ):
        pass
