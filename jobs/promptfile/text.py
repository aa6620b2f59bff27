"""Which characters a prompt or a metadata value may hold, so that every store accepts it."""

from __future__ import annotations

import re

# Line feed, carriage return and tab are text; every other control character is a mistake or
# an attempt on somebody's terminal. Surrogates cannot be written as UTF-8 at all: those from
# U+DC80 on stand for bytes that were not UTF-8 (the `surrogateescape` convention of the reader).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def text_fault(text: str) -> tuple[str, str] | None:
    """What is wrong with the characters of `text`, and the mend; None when nothing is."""
    found = None if text.isascii() and text.isprintable() else _FORBIDDEN.search(text)
    if found is None:
        return None
    code = ord(found.group())
    if 0xDC80 <= code <= 0xDCFF:
        return f"byte 0x{code - 0xDC00:02x} is not UTF-8", "save the file as UTF-8"
    if code >= 0xD800:
        return f"U+{code:04X} is half of a surrogate pair", "write the whole character"
    if code == 0:
        return "contains a NUL byte", "remove it (is the file UTF-16? save it as UTF-8)"
    return f"contains the control character U+{code:04X}", "remove it"
