"""Rules for row ids and batch names, which become file names in every script."""

from __future__ import annotations

import hashlib
import re
import unicodedata

#: Limits of an id. With its longest temporary name (`jobs.artifacts.temporary`: the seed, the
#: extension, the time, a host name of 64 bytes and a process id) it fits in the 255 bytes that a
#: file name has.
MAX_ID = 100
MAX_ID_BYTES = 128
#: Limit of a batch's name, in bytes of UTF-8: the longest extension of a folder's name fits too.
MAX_NAME_BYTES = 180
_SHAPE = (
    "letters and digits of any script and . _ - (at most {} bytes of UTF-8), "
    "beginning with a letter, digit or _ and not ending with a dot"
)
#: The rules in words, for messages.
ID_RULE = f"use 1 to {MAX_ID} {_SHAPE.format(MAX_ID_BYTES)}"
NAME_RULE = f"use {_SHAPE.format(MAX_NAME_BYTES)}"

_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
#: Letters, marks and numbers that show nothing: fillers and variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
#: Names that Windows reserves for devices, with any extension.
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in range(10)]
)
#: Hexadecimal digits of a digest in a name.
_DIGEST = 8


def normal(name: str) -> str:
    """The name in the normal form in which names are kept (NFC)."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def fold(name: str) -> str:
    """The key by which names are compared: equal for names that some file system takes for one.

    They differ only in case or in normal form.
    """
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFD", name).casefold()
    return unicodedata.normalize("NFC", folded)


def id_fault(name: str) -> str | None:
    """Why `name` is not a valid row id; None if it is valid."""
    if len(name) > MAX_ID:
        return f"is {len(name)} characters long"
    return _fault(name, MAX_ID_BYTES)


def name_fault(name: str) -> str | None:
    """Why `name` is not a valid batch name; None if it is valid."""
    return _fault(name, MAX_NAME_BYTES)


def safe_name(text: str) -> str:
    """`text` made into a valid name; used for the default batch name of a file.

    Other characters than those of the rule become `-`. A digest of `text` replaces what does not
    fit, and the whole name if nothing of it can be kept.
    """
    text = normal(text)
    kept = "".join(mark if _is_safe(mark) else "\0" for mark in text)
    name = re.sub("\0+", "-", kept)
    while name and not _may_begin(name[0]):
        name = name[1:]
    name = name.rstrip(".-")
    if not name:
        return f"batch-{_digest(text)}"
    if _reserved(name):
        name = f"batch-{name}"
    if len(name.encode()) > MAX_NAME_BYTES:
        room = MAX_NAME_BYTES - _DIGEST - 1
        begin = name.encode()[:room].decode(errors="ignore").rstrip(".-")
        name = f"{begin}-{_digest(text)}"
    return name


def _fault(name: str, most: int) -> str | None:
    if not _PLAIN.fullmatch(name) and not _is_safe_name(name):
        return "is not safe as a file name"
    size = len(name.encode())
    if size > most:
        return f"is {size} bytes long"
    return "is a reserved name on some systems" if _reserved(name) else None


def _reserved(name: str) -> bool:
    # NFKC: Windows also reserves the ports with superscript digits.
    return unicodedata.normalize("NFKC", name.split(".", 1)[0]).casefold() in _RESERVED


def _is_safe_name(name: str) -> bool:
    return (
        all(map(_is_safe, name))
        and _may_begin(name[:1])
        and not name.endswith(".")
        and unicodedata.is_normalized("NFC", name)
    )


def _is_safe(mark: str) -> bool:
    if mark.isascii():
        return mark.isalnum() or mark in "._-"
    return unicodedata.category(mark)[0] in "LMN" and not _INVISIBLE.fullmatch(mark)


def _may_begin(mark: str) -> bool:
    return mark == "_" or (mark.isalnum() and _is_safe(mark))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGEST]
