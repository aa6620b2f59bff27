"""Numbers as prompt files write them: plain ASCII digits, nothing that Python alone would take."""

from __future__ import annotations

import math
import re

_WHOLE = re.compile(r"([+-]?)0*([0-9]+)(?:\.0*)?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
#: A number of more digits is out of every range here, so the rest of them does not matter.
_DIGITS = 25


def whole(value: object, *, typed: bool) -> int | None:
    """`value` as a whole number, or None if it is none.

    Args:
        typed: True for JSON values (a number must be a number), False for text cells. Both take a
            zero fraction (`100.0`), which spreadsheets and data frames write for whole numbers.
    """
    if typed:
        if isinstance(value, bool):
            return None
        if isinstance(value, float):
            return int(value) if value.is_integer() else None
        return value if isinstance(value, int) else None
    found = _WHOLE.fullmatch(value.strip(" \t")) if isinstance(value, str) else None
    return int(found.group(1) + found.group(2)[:_DIGITS]) if found else None


def decimal(value: object, *, typed: bool) -> float | None:
    """`value` as a finite number, or None if it is none; `typed` as for `whole`."""
    if typed:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        # An int beyond the range of floats is out of every range here.
        number = float(value) if abs(value) < 1e300 else math.inf
    else:
        found = isinstance(value, str) and _DECIMAL.fullmatch(value.strip(" \t"))
        number = float(found.group()) if found else math.nan
    return number if math.isfinite(number) else None
