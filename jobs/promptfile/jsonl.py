"""Read JSON Lines: one object per line, whose keys are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn, TextIO

from jobs.errors import shown
from jobs.promptfile.problem import LISTED, Problem, UnreadableError
from jobs.promptfile.raw import MAX_COLUMNS, RawRow, column_name
from jobs.promptfile.source import numbered_lines

#: Maximum nesting depth of a row's values.
MAX_DEPTH = 32


def read_jsonl(text: TextIO) -> Iterator[RawRow]:
    """The rows of a JSON Lines file; blank lines are skipped.

    Raises:
        UnreadableError: the file is empty.
    """
    number = 0
    for line, content in numbered_lines(text):
        if not content.strip():
            continue
        number += 1
        yield _row(number, line, content)
    if not number:
        mend = 'give one object a line: {"prompt": "…"}'
        raise UnreadableError(Problem(1, None, "the file is empty", mend))


def _row(number: int, line: int, content: str) -> RawRow:
    try:
        value, repeated = load_json(content)
    except json.JSONDecodeError as error:
        message = f"not valid JSON at character {error.pos + 1}: {error.msg}"
        mend = 'write one object a line: {"prompt": "…"}'
    except ValueError as error:
        message, mend = f"not valid JSON: {error}", "write finite numbers of at most 4000 digits"
    except RecursionError:
        message, mend = "nested too deeply", "nest less deeply"
    else:
        mend = 'write one object a line: {"prompt": "…"}'
        if not isinstance(value, dict):
            message = f"{shown(value)} is not an object"
        elif len(value) > MAX_COLUMNS:
            message = f"has {len(value)} keys, and the most is {MAX_COLUMNS}"
            mend = "remove those that the motion does not need"
        elif not _shallow(value):
            message = "nested too deeply"
        else:
            return _object_row(number, line, value, repeated)
    problem = Problem(line, None, message, mend)
    return RawRow(number, line, {}, typed=True, extra=(content,), problems=(problem,))


def _object_row(number: int, line: int, value: dict[str, object], repeated: list[str]) -> RawRow:
    values: dict[str, object] = {}
    for key, content in value.items():
        column = column_name(key)
        if column in values:
            repeated.append(column)
        values[column] = content
    problems = tuple(
        Problem(line, key, "the object has this key twice", "remove one of them")
        for key in islice(dict.fromkeys(repeated), LISTED)
    )
    return RawRow(number, line, values, typed=True, problems=problems)


def _shallow(value: dict[str, object]) -> bool:
    """Whether `value` nests at most `MAX_DEPTH` deep, so that other parsers can read it too."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        nested: list[object] = []
        for item in level:
            if isinstance(item, dict):
                nested += item.values()
            elif isinstance(item, list):
                nested += item
        level = [item for item in nested if isinstance(item, (dict, list))]
        if not level:
            return True
    return False


def load_json(content: str) -> tuple[object, list[str]]:
    """A JSON value, and the duplicate keys of all objects in it.

    Raises:
        json.JSONDecodeError: the content is not JSON.
        ValueError: it contains NaN, an infinity, or an integer too long to convert.
        RecursionError: it is nested too deeply.
    """
    repeated: list[str] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, value in items:
            if key in found:
                repeated.append(key)
            found[key] = value
        return found

    value: object = json.loads(content, object_pairs_hook=pairs, parse_constant=_not_json)
    return value, repeated


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
