"""Upstream's `.json` files, {category: [entry, …]}, read with the line number of each entry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TextIO

from jobs.errors import shown
from jobs.promptfile.lines import line_row
from jobs.promptfile.problem import Problem, UnreadableError
from jobs.promptfile.raw import RawRow

#: The metadata column that stores an entry's category.
CATEGORY = "category"
#: Maximum characters of a file, since it is read into memory, unlike the other formats.
MAX_FILE = 32 * 2**20

_SPACE = re.compile(r"[ \t\n\r]*")
_MEND = 'write {"category": ["prompt#frames#id", …]}, or name another --format'


def read_categories(text: TextIO) -> Iterator[RawRow]:
    """One row per entry, numbered through the whole file; the category becomes metadata.

    Raises:
        UnreadableError: the file does not have this form, or is too large.
    """
    content = text.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        message = f"the file is larger than {MAX_FILE // 2**20} Mi characters"
        raise UnreadableError(Problem(None, None, message, "use CSV, JSONL or TXT for so many"))
    number = 0
    for line, category, entry in _Scanner(content).entries():
        number += 1
        values: dict[str, object] = {CATEGORY: category}
        if isinstance(entry, str):
            yield line_row(number, line, entry, values)
        else:
            problem = Problem(line, None, f"the entry {shown(entry)} is not text", _MEND)
            yield RawRow(number, line, values, extra=(shown(entry),), problems=(problem,))
    if not number:
        raise UnreadableError(Problem(1, None, "the file has no prompts", _MEND))


class _Scanner:
    """Parses a {category: [entry, …]} document and counts its lines."""

    def __init__(self, content: str) -> None:
        self._content = content
        self._decoder = json.JSONDecoder(strict=False)
        self._position = 0
        self._counted = 0
        self._line = 1

    def entries(self) -> Iterator[tuple[int, str, object]]:
        """Line, category and value of every entry."""
        seen: set[str] = set()
        self._take("{")
        while not self._taken("}"):
            if seen:
                self._take(",")
            line, category = self._value()
            if not isinstance(category, str):
                raise self._unreadable(line, f"{shown(category)} is not a category")
            if category in seen:
                raise self._unreadable(line, f"the category {shown(category)} appears twice")
            seen.add(category)
            self._take(":")
            yield from ((line, category, entry) for line, entry in self._array())
        self._skip()
        if self._position < len(self._content):
            raise self._unreadable(self._here(), "text follows the closing }")

    def _array(self) -> Iterator[tuple[int, object]]:
        self._take("[")
        first = True
        while not self._taken("]"):
            if not first:
                self._take(",")
            first = False
            yield self._value()

    def _value(self) -> tuple[int, object]:
        self._skip()
        line = self._here()
        try:
            value, self._position = self._decoder.raw_decode(self._content, self._position)
        except json.JSONDecodeError as error:
            raise self._unreadable(error.lineno, f"not valid JSON: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise self._unreadable(line, f"not readable as JSON: {error}") from error
        return line, value

    def _skip(self) -> None:
        found = _SPACE.match(self._content, self._position)
        self._position = found.end() if found else self._position

    def _taken(self, mark: str) -> bool:
        self._skip()
        if not self._content.startswith(mark, self._position):
            return False
        self._position += 1
        return True

    def _take(self, mark: str) -> None:
        if not self._taken(mark):
            found = self._content[self._position : self._position + 1]
            what = shown(found) if found else "the end of the file"
            raise self._unreadable(self._here(), f"expected {mark} but found {what}")

    def _here(self) -> int:
        self._line += self._content.count("\n", self._counted, self._position)
        self._counted = self._position
        return self._line

    def _unreadable(self, line: int, message: str) -> UnreadableError:
        return UnreadableError(Problem(line, None, message, _MEND))
