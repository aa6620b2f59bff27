"""Upstream's line format, `prompt[#frames[#id]]`, and its `.txt` files of such lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from jobs.promptfile.cell import trimmed
from jobs.promptfile.problem import Problem, UnreadableError
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import Row
from jobs.promptfile.source import numbered_lines

# HumanML3D's caption#tokens#start#end; its tokens are words with their parts of speech.
_TOKENS = re.compile(r"\s*\S+/[A-Z]+(?:\s+\S+/[A-Z]+)*\s*")
_HUMANML3D = (
    "is a line of HumanML3D, caption#tokens#start#end",
    "keep the captions alone: cut -d'#' -f1 FILE",
)
# Lengths of MoMask's prompt#length, at 20 frames a second, are these multiples of four.
_MOMASK = range(40, 197, 4)
_NA = (
    "has the length NA, as in lists of MoMask, whose lengths are at 20 frames a second",
    "leave NA out, and multiply the lengths of other lines by 1.5",
)


def read_txt(text: TextIO) -> Iterator[RawRow]:
    """One row per line; blank lines are skipped.

    Raises:
        UnreadableError: the file is empty.
    """
    number = 0
    for line, content in numbered_lines(text):
        if not content.strip():
            continue
        number += 1
        yield line_row(number, line, content, {})
    if not number:
        mend = "write one prompt a line: prompt[#frames[#id]]"
        raise UnreadableError(Problem(1, None, "the file is empty", mend))


def line_row(number: int, line: int, content: str, metadata: dict[str, object]) -> RawRow:
    """The row of one `prompt[#frames[#id]]`."""
    parts = content.split("#")
    if len(parts) > 1 and _TOKENS.fullmatch(parts[1]):
        return _foreign(number, line, content, _HUMANML3D, metadata)
    if len(parts) > 3:
        message = f"has {len(parts) - 1} # marks where prompt#frames#id has 2"
        mend = "a prompt with a # in it needs a CSV or JSONL file"
        problem = Problem(line, None, message, mend)
        values: dict[str, object] = {"prompt": content} | metadata
        return RawRow(number, line, values, problems=(problem,))
    prompt, frames, custom_id = (*parts, "", "")[:3]
    if trimmed(frames) == "NA":
        return _foreign(number, line, content, _NA, metadata)
    values = {"prompt": prompt, "frames": frames, "id": custom_id.strip()} | metadata
    return RawRow(number, line, values)


def _foreign(
    number: int, line: int, content: str, fault: tuple[str, str], metadata: dict[str, object]
) -> RawRow:
    # The text is no prompt: it must not become one where the invalid rows are written as a table.
    problem = Problem(line, None, *fault)
    return RawRow(number, line, metadata, extra=(content,), problems=(problem,))


class MoMask:
    """Whether all lines that give a length could be MoMask's, and none gives an id."""

    def __init__(self) -> None:
        self._timed = 0
        self._others = 0

    def add(self, row: Row) -> None:
        """See one row."""
        if row.raw.values.get("id") or (row.timed and row.spec.frames not in _MOMASK):
            self._others += 1
        elif row.timed:
            self._timed += 1

    @property
    def likely(self) -> bool:
        """Whether lengths were seen, and nothing that MoMask does not write."""
        return self._timed > 0 and not self._others
