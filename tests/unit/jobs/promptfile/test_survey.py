"""The first pass: counts, problems, duplicates, and arbitrary bytes."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.promptfile.defaults import Defaults
from jobs.promptfile.problem import PromptFileError, UnreadableError
from jobs.promptfile.row import BadRow, Row
from jobs.promptfile.source import PROMPT_FORMATS, Source, open_source
from jobs.promptfile.survey import Asked, read_rows, survey


def test_counts(opened) -> None:
    content = "prompt,seeds,mode,frames,scene\na,3,full,60,x\nb,,auto,60,\nc,2,full,60,\nd,0,,,\n"
    with opened(content) as source:
        found = survey(source, Defaults(seeds=2))
    assert (found.rows, found.jobs, found.invalid, found.total) == (3, 7, 1, 1)
    assert found.asked == {Asked("tiny", "full", 60): 5, Asked("tiny", "auto", 60): 2}
    assert found.metadata == ("scene",)


def test_the_first_fifty_problems_are_listed_and_the_rest_counted(refused) -> None:
    error = refused("prompt,frames,seed\n" + "walks,1,-1\n" * 40)
    lines = str(error).splitlines()
    assert (error.total, len(error.problems), len(lines)) == (80, 50, 52)
    assert lines[0].startswith("80 problems in ")
    assert lines[1].endswith("prompts.csv:2: frames: '1' is out of range; use 20 to 360")
    assert lines[-1] == "… and 30 more"


def test_repeated_ids_name_the_line_of_the_first(read) -> None:
    content = "prompt,id,seed,seeds\na,Walk,0,3\nb,walk,2,\nc,walk,3,\nd,,,\ne,4,,\n"
    rows = read(content)
    assert [type(row) for row in rows] == [Row, BadRow, Row, Row, BadRow]
    assert "line 2" in rows[1].problems[0].message
    assert "line 5" in rows[4].problems[0].message


def test_a_bad_row_does_not_take_its_identity(read) -> None:
    bad, good = read("prompt,id,frames\na,walk,1\nb,walk,60\n")
    assert isinstance(bad, BadRow)
    assert isinstance(good, Row)


def test_unknown_files_and_formats() -> None:
    for name, mend in (("none.csv", "standard input"), ("x\x00.csv", "standard input")):
        with (
            pytest.raises(PromptFileError, match=mend),
            open_source(name, format_name=None, stdin=io.BytesIO()),
        ):
            pass


def test_a_folder_and_an_unknown_extension(tmp_path: Path) -> None:
    path = tmp_path / "prompts.dat"
    path.write_text("x")
    for name, mend in ((str(tmp_path), "can be read"), (str(path), "--format csv")):
        with (
            pytest.raises(PromptFileError, match=mend),
            open_source(name, format_name=None, stdin=io.BytesIO()),
        ):
            pass
    with open_source(str(path), format_name="txt", stdin=io.BytesIO()) as source:
        assert survey(source, Defaults()).rows == 1


def test_standard_input_is_csv_unless_said_otherwise() -> None:
    stdin = io.BytesIO(b"prompt\nwalks\n")
    with open_source("-", format_name=None, stdin=stdin) as source:
        assert (source.name, source.origin, source.format) == ("stdin", "stdin", "csv")
        assert source.stem == f"stdin-{hashlib.sha256(stdin.getvalue()).hexdigest()[:8]}"
        # Both passes see the whole of it.
        assert survey(source, Defaults()).rows == survey(source, Defaults()).rows == 1


def test_a_pipe_is_spooled(tmp_path: Path) -> None:
    fifo = tmp_path / "prompts.csv"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_text("prompt\nwalks\n"))
    writer.start()
    with open_source(str(fifo), format_name=None, stdin=io.BytesIO()) as source:
        assert survey(source, Defaults()).rows == survey(source, Defaults()).rows == 1
        assert source.origin == "stdin"
        content = hashlib.sha256(b"prompt\nwalks\n").hexdigest()
        assert source.stem == f"stdin-{content[:8]}"
        assert (source.name, source.folder) == (str(fifo), Path.cwd())
    writer.join()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
def test_a_descriptor_is_no_name_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\nwalks\n")
    with path.open("rb") as opened:
        number = f"/dev/fd/{opened.fileno()}"
        with open_source(number, format_name=None, stdin=io.BytesIO()) as source:
            assert (source.name, source.origin) == (number, "stdin")


def test_a_file_has_one_origin_by_every_path(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    path = tmp_path / "prompts.csv"
    path.write_text("prompt\nwalks\n")
    with open_source(f"{tmp_path}/a/../prompts.csv", format_name=None, stdin=io.BytesIO()) as it:
        assert it.origin == str(path)
    # Through a link to a folder, `..` is another folder than the path says.
    (tmp_path / "link").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "a" / "prompts.csv").write_text("prompt\njumps\n")
    odd = f"{tmp_path}/link/../prompts.csv"
    with open_source(odd, format_name=None, stdin=io.BytesIO()) as it:
        assert it.origin == odd


HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.text(alphabet=st.sampled_from('prompt,id"\n\r\x00#{}[]:0123.é-\ud800'), max_size=200).map(
        lambda text: b"prompt,id,frames\n" + text.encode("utf-8", "surrogatepass")
    ),
    st.text(alphabet=st.sampled_from('prompt,id"\\{}[]:0123.u-e'), max_size=200).map(
        lambda text: b'{"prompt": "x", "a": ' + text.encode()
    ),
)


@settings(max_examples=300)
@given(content=HOSTILE, format_name=st.sampled_from(PROMPT_FORMATS))
def test_any_bytes_give_rows_or_problems(content: bytes, format_name: str) -> None:
    binary = io.BytesIO(content)
    source = Source("f", "f", "f", Path(), format_name, binary)
    with suppress(UnreadableError):
        for row in read_rows(source, Defaults()):
            if isinstance(row, Row):
                # Valid rows can be stored: they are UTF-8 without NUL.
                spec = row.spec
                for text in (spec.custom_id, spec.prompt, *spec.metadata, *spec.metadata.values()):
                    assert b"\x00" not in text.encode()
                assert len(spec.row_hash()) == 32
            else:
                assert row.problems
                for problem in row.problems:
                    assert problem.located("f").isprintable()


@pytest.mark.slow
def test_a_hundred_thousand_rows_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "prompts.csv"
    with path.open("w") as stream:
        stream.write("prompt,id,scene\n")
        for number in range(100_000):
            stream.write(f'"A person walks, turn {number}",{"x" * 90}{number},somewhere\n')
    program = (
        "import io, resource, sys\n"
        "from jobs.promptfile.defaults import Defaults\n"
        "from jobs.promptfile.source import open_source\n"
        "from jobs.promptfile.survey import survey\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with open_source(sys.argv[1], format_name=None, stdin=io.BytesIO()) as source:\n"
        "    print(survey(source, Defaults()).rows)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    rows, kibibytes = map(int, done.stdout.split())
    assert rows == 100_000
    assert kibibytes < 100 * 1024
