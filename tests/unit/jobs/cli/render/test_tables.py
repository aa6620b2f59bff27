"""Tables fit the terminal, and JSON can be printed in any encoding."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import struct
import sys
import termios

import pytest
from rich.cells import cell_len

from jobs.cli.render.tables import (
    Column,
    note,
    print_csv,
    print_json,
    print_pairs,
    print_table,
    say,
    to_json,
)

COLUMNS = (Column("ID", "right"), Column("PROMPT", flexible=True), Column("STATE"))
ROWS = [
    ["1", "a person walks forward and then turns around", "queued"],
    ["1000", "一个人向前走然后转身挥手一个人向前走", "succeeded"],
    ["7", "[red]\x1b[2Jboo", "failed"],
]


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_off_a_terminal_nothing_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "__stdout__", sys.stdout)  # with `pytest -s`, the terminal
    print_table(COLUMNS, ROWS)
    head, first, second, third = lines(capsys)
    assert head == "  ID  PROMPT                                        STATE"
    assert first == "   1  a person walks forward and then turns around  queued"
    assert "一个人向前走然后转身挥手一个人向前走" in second
    assert "[red]\\x1b[2Jboo" in third


@pytest.mark.parametrize("width", [30, 40, 41, 80])
def test_a_table_fits_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(COLUMNS, ROWS)
    shown = lines(capsys)
    assert len(shown) == 4
    assert max(map(cell_len, shown)) <= width
    # Wide characters count as the two cells that they take.
    starts = {cell_len(line[: line.rindex(word)]) for line, word in zip(
        shown, ("STATE", "queued", "succeeded", "failed"), strict=True)}  # fmt: skip
    assert len(starts) == 1
    assert ("…" in shown[1]) == (width < 60)


def test_a_narrow_terminal_keeps_what_is_not_flexible(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    print_table(COLUMNS, ROWS)
    assert lines(capsys)[1] == "   1  a perso…  queued"


def test_colour_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)

    def printed(stream: io.StringIO) -> str:
        monkeypatch.setattr(sys, "stdout", stream)
        print_table(COLUMNS, ROWS)
        return stream.getvalue()

    coloured = printed(Terminal())
    assert "\x1b[31mfailed\x1b[0m\n" in coloured
    assert "\x1b[2J" not in coloured
    plain = printed(io.StringIO())
    assert "\x1b[" not in plain
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert printed(Terminal()) == plain


def test_pairs_wrap_below_themselves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    print_pairs("job 1", {"prompt": "walks and then waves", "row": "a", "empty": ""})
    assert lines(capsys) == [
        "job 1", "  prompt  walks and then", "          waves", "  row     a",
    ]  # fmt: skip


LONG = "note: " + "words and more of them " * 5


def test_lines_are_wrapped_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    note(LONG)
    say(LONG)
    assert capsys.readouterr() == (f"{LONG}\n", f"{LONG}\n"), "elsewhere they are one line"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    with os.fdopen(theirs, "w") as terminal:
        for name, show in (("stdout", say), ("stderr", note)):
            with monkeypatch.context() as patch:
                patch.setattr(sys, name, terminal)
                show(LONG)
        print("end", file=terminal, flush=True)
        seen = b""
        while b"end" not in seen:
            seen += os.read(ours, 4096)
    os.close(ours)
    told = seen.decode().splitlines()[:-1]
    assert max(map(len, told)) <= 40
    assert told[:4] == told[4:]
    assert [line[:6] for line in told[:4]] == ["note: ", *[" " * 6] * 3]


def test_json_is_ascii_where_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ascii_ = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", ascii_)
    assert to_json({"prompt": "步行"}) == '{"prompt": "\\u6b65\\u884c"}'


def test_json_and_csv(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"prompt": "步行\x1b", "seed": None})
    assert json.loads(capsys.readouterr().out) == {"prompt": "步行\x1b", "seed": None}
    with pytest.raises(ValueError):
        print_json({"seconds": float("nan")})
    print_csv(("a", "b"), [(1, None), ("x,y", 'say "hi"\n')])
    assert capsys.readouterr().out == 'a,b\n1,\n"x,y","say ""hi""\n"\n'
