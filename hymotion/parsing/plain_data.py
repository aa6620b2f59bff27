"""Parsing the small YAML and JSON files of a model folder, which may come from anybody.

A parse takes bounded time and memory, and fails with `PlainDataError` alone.
"""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import yaml

from hymotion.errors import brief, shown

MAX_YAML = 64 * 2**10
"""Maximum characters of a YAML file: the parser takes about a second for as many."""

MAX_JSON = 64 * 2**20
"""Maximum bytes of a JSON file; tokenizers have about 10 MB."""


class PlainDataError(ValueError):
    """A text is not YAML or JSON of plain values; the message says why, in a few words."""


def parse_yaml(text: str) -> object:
    """The value of a YAML document of mappings, lists, texts, finite numbers and booleans.

    Raises:
        PlainDataError: it is not YAML, too long, too deep, or has aliases, which can make a short
            text a value of any size.
    """
    if len(text) > MAX_YAML:
        raise PlainDataError(f"it has more than {MAX_YAML} characters")
    try:
        loaded: object = yaml.load(text, _Loader)  # noqa: S506 — a safe loader, without aliases
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f" on line {error.problem_mark.line + 1}"
        raise PlainDataError(f"{brief(error.problem or error.context)}{where}") from error
    except RecursionError as error:
        raise PlainDataError("it is nested too deeply") from error
    # What makes numbers and times of texts that look like them raises errors of many types.
    except Exception as error:
        raise PlainDataError(brief(error)) from error
    return loaded


def parse_json(content: bytes | str) -> object:
    """The value of a JSON text.

    Raises:
        PlainDataError: it is not JSON in UTF-8, too long or too deep; or it contains NaN, an
            infinite number, a number of thousands of digits, or a name twice in one object.
    """
    if len(content) > MAX_JSON:
        raise PlainDataError(f"it has more than {MAX_JSON} bytes")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8")
        loaded: object = json.loads(
            text, object_pairs_hook=_once, parse_constant=_refused, parse_float=_finite
        )
    except PlainDataError:
        raise
    except RecursionError as error:
        raise PlainDataError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise PlainDataError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise PlainDataError(f"{error.msg} on line {error.lineno}") from error
    except ValueError as error:
        raise PlainDataError("it has a number of thousands of digits") from error
    return loaded


def read_json(path: Path) -> object:
    """The value of a JSON file.

    Raises:
        PlainDataError: as `parse_json`.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return parse_json(file.read(MAX_JSON + 1))


class _Loader(yaml.SafeLoader):
    """The safe loader, which refuses aliases and nothing else."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # no types there
            raise yaml.composer.ComposerError(None, None, "it has an alias (*)", mark)
        return super().compose_node(parent, index)


def _once(items: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(items)
    if len(found) < len(items):
        ((twice, _),) = Counter(name for name, _ in items).most_common(1)
        raise PlainDataError(f"it has the name {shown(twice)} twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise PlainDataError(f"{constant} is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise PlainDataError("it has a number that is too large")
    return number
