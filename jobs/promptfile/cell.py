"""Parse the cells of prompt files: numbers in ASCII digits, and printable text."""

from __future__ import annotations

import math
import re

# Control characters other than line feed, carriage return and tab are mistakes, or terminal escape
# sequences. Surrogates cannot be encoded as UTF-8; those from U+DC80 on are bytes that were not
# UTF-8 (`surrogateescape`).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

#: Spaces that spreadsheets and web pages leave around text: no-break and zero-width ones.
INVISIBLE = "\u00a0\u2007\u202f\u200b\u2060\ufeff"
#: White space, and the above.
WHITE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + INVISIBLE
#: How to mend bytes that are not UTF-8.
SAVE_AS_UTF8 = "save the file as UTF-8"

_WHOLE = re.compile(r"([+-]?)([0-9]+)(?:\.0*|,0{1,2}|,0{4,})?")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
# Digits in groups of three: `1,000` is 1000 to some and 1 to others.
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_DOTTED = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
#: A number with more digits is out of every range, so further digits are ignored.
_DIGITS = 25


def trimmed(text: str) -> str:
    """`text` without white space, no-break and zero-width spaces at its ends."""
    text = text.strip()
    return text if text.isascii() else text.strip(WHITE)


def grouped(text: str, *, dots: bool = False) -> bool:
    """Whether `text` may be a number with a mark between its thousands.

    Args:
        dots: whether the mark may be a dot, as in files whose decimal mark is a comma.
    """
    return bool(_GROUPED.fullmatch(text) or (dots and _DOTTED.fullmatch(text)))


def whole(value: object, *, typed: bool, dots: bool = False) -> int | None:
    """`value` as a whole number; None if it is not one.

    Args:
        typed: True for JSON values (a string is not a number), False for text cells. Both may have
            a zero fraction (`100.0`), which spreadsheets and data frames write.
        dots: as for `grouped`.
    """
    if typed:
        if isinstance(value, bool):
            return None
        if isinstance(value, float):
            return int(value) if value.is_integer() else None
        return value if isinstance(value, int) else None
    if not isinstance(value, str):
        return None
    text = trimmed(value)
    found = _WHOLE.fullmatch(text)
    if found is None or (not text.isdigit() and grouped(text, dots=dots)):
        return None
    return int(found.group(1) + "0" + found.group(2).lstrip("0")[:_DIGITS])


def decimal(value: object, *, typed: bool) -> float | None:
    """`value` as a finite number; None if it is not one. `typed` as for `whole`."""
    if typed:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        # An int that is too large for a float is out of every range.
        number = float(value) if abs(value) < 1e300 else math.inf
    else:
        text = trimmed(value) if isinstance(value, str) else ""
        found = None if grouped(text) else _DECIMAL.fullmatch(text)
        number = float(found.group().replace(",", ".")) if found else math.nan
    return number if math.isfinite(number) else None


def text_fault(text: str) -> tuple[str, str] | None:
    """What is wrong with the characters of `text` and how to fix it; None if nothing is."""
    found = None if text.isascii() and text.isprintable() else _FORBIDDEN.search(text)
    if found is None:
        return None
    code = ord(found.group())
    if 0xDC80 <= code <= 0xDCFF:
        return f"byte 0x{code - 0xDC00:02x} is not UTF-8", SAVE_AS_UTF8
    if code >= 0xD800:
        return f"U+{code:04X} is half of a surrogate pair", "write the whole character"
    if code == 0:
        return "contains a NUL byte", "remove it (is the file UTF-16? save it as UTF-8)"
    return f"contains the control character U+{code:04X}", "remove it"
