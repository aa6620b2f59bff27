"""Upstream's line format, `prompt[#frames[#id]]`, and its `.txt` files of such lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from jobs.promptfile.problem import Problem, UnreadableError
from jobs.promptfile.raw import RawRow
from jobs.promptfile.source import numbered_lines


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
    if len(parts) > 3:
        message = f"has {len(parts) - 1} # marks where prompt#frames#id has 2"
        mend = "a prompt with a # in it needs a CSV or JSONL file"
        problem = Problem(line, None, message, mend)
        values: dict[str, object] = {"prompt": content} | metadata
        return RawRow(number, line, values, problems=(problem,))
    prompt, frames, custom_id = (*parts, "", "")[:3]
    values = {"prompt": prompt, "frames": frames, "id": custom_id.strip()} | metadata
    return RawRow(number, line, values)
