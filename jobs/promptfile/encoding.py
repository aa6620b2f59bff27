"""The encoding of a prompt file: the one it is read in, and the one it seems to be written in."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import BinaryIO

from jobs.promptfile.cell import SAVE_AS_UTF8
from jobs.promptfile.problem import Problem, UnreadableError
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import BadRow

#: Byte-order mark → name; UTF-32's little-endian one begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF8: "UTF-8",
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
#: Codecs that are text encodings to Python but not what a file is saved in.
_UNFIT = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7"}
)
#: Bytes of the file that are looked at before a given encoding is believed.
_SAMPLE = 2**20

_BYTES = re.compile("[\udc80-\udcff]")
# Halves of pairs, which UTF-16 may contain, that stand for no byte.
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")
# Two bytes of GB 2312, the common characters; other two-byte characters are rare in real text.
_COMMON_RUN = re.compile(rb"(?:[\xa1-\xa9\xb0-\xf7][\xa1-\xfe])+")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True)
class Encoding:
    """How bytes become text.

    Attributes:
        codec: Python's name.
        errors: what to do with bytes that are not text in it.
        label: what to tell the user; empty for UTF-8.
        marked: whether what is written for the same programs needs a byte-order mark.
    """

    codec: str
    errors: str
    label: str = ""
    marked: bool = False


# Bytes that are not text become U+DC80 to U+DCFF, and halves of pairs stay what they are:
# validation rejects both row by row.
_UTF8 = Encoding("utf-8-sig", "surrogateescape")
_UTF16 = Encoding("utf-16", "surrogatepass", "UTF-16", marked=True)


def fault(name: str) -> str | None:
    """Why `name` cannot be the encoding of a file; None if it can."""
    try:
        "prompt".encode(name).decode(name)  # fails for codecs of other things than text
        fit = codecs.lookup(name).name not in _UNFIT
    except (LookupError, ValueError):
        fit = False
    return None if fit else "is not an encoding, such as utf-8, utf-16, windows-1252 or gb18030"


def encoding_of(binary: BinaryIO, given: str | None) -> Encoding:
    """The encoding to read a file in: the given one, else that of its byte-order mark, else UTF-8.

    Raises:
        UnreadableError: the file is UTF-32, or contradicts the given encoding.
    """
    place = binary.tell()
    binary.seek(0)
    sample = binary.read(_SAMPLE)
    binary.seek(place)
    mark = next((name for bom, name in _MARKS.items() if sample.startswith(bom)), None)
    if given is None:
        if mark == "UTF-32":
            mend = "save it as UTF-8, or give --encoding utf-32"
            raise UnreadableError(Problem(1, None, "the file is UTF-32 text", mend))
        return _UTF16 if mark == "UTF-16" else replace(_UTF8, marked=mark is not None)
    codec = codecs.lookup(given).name
    wide = codec.startswith(("utf-16", "utf-32"))
    found = mark or ("UTF-8" if not wide and _is_utf8(sample) else None)
    if found is not None and not codec.startswith(found.lower()):
        message = f"--encoding is {given}, but the file is {found}"
        raise UnreadableError(Problem(None, None, message, "leave --encoding out"))
    if codec.startswith("utf-8"):
        return replace(_UTF8, marked=mark is not None)
    if mark == "UTF-16":
        return _UTF16
    return Encoding(mark.lower() if mark else codec, "strict", mark or "", marked=True)


def _is_utf8(sample: bytes) -> bool:
    """Whether the bytes are UTF-8 and not ASCII; other encodings practically never are."""
    if sample.isascii():
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def undecodable(binary: BinaryIO, used: Encoding, error: UnicodeDecodeError) -> Problem:
    """The problem of bytes that are not text in the encoding used.

    `binary` stands where the decoder had read to, `error.object` is what it read last.
    """
    end = binary.tell() - len(error.object) + error.start
    line = None
    if not used.codec.startswith(("utf-16", "utf-32")):
        binary.seek(0)
        line = 1 + sum(part.count(b"\n") for part in _blocks(binary, end))
    what = f"byte 0x{error.object[error.start]:02x} at offset {end} is not {used.codec} text"
    return Problem(line, None, what, "is the file damaged, or is this not its encoding?")


def _blocks(binary: BinaryIO, size: int) -> Iterable[bytes]:
    while size > 0 and (block := binary.read(min(size, _SAMPLE))):
        size -= len(block)
        yield block


def named(row: BadRow) -> BadRow:
    """An invalid row whose problems name the encoding that its bytes seem to be in.

    Raises:
        UnreadableError: it seems to be GB18030, whose bytes can be UTF-8 of another meaning, so
            that no other row of the file can be trusted.
    """
    text = _text(row.raw)
    if _BYTES.search(text) is None:
        return row
    mend = checked(text, row.raw.line)
    problems = [
        replace(each, mend=mend) if each.mend == SAVE_AS_UTF8 else each for each in row.problems
    ]
    if all(each.mend != mend for each in problems):  # Cells that may be shifted are not checked.
        problems.append(Problem(row.raw.line, None, "is not UTF-8", mend))
    return replace(row, problems=tuple(problems))


def checked(text: str, line: int) -> str:
    """How to mend text with bytes that are not UTF-8.

    Raises:
        UnreadableError: it seems to be GB18030.
    """
    found = seeming(writable(text).encode("utf-8", "surrogateescape"))
    if found == "GB18030":
        message = "the file is not UTF-8 but seems to be GB18030 (also called GBK)"
        mend = f"{SAVE_AS_UTF8}, or give --encoding gb18030"
        raise UnreadableError(Problem(line, None, message, mend))
    if found is not None:
        return f"it seems to be {found}: {SAVE_AS_UTF8}, or give --encoding {found.lower()}"
    return f"{SAVE_AS_UTF8}, or give its --encoding"


def writable(text: str) -> str:
    """`text` for a file in UTF-8 with `surrogateescape`: halves of pairs become bytes.

    Read again, these are no text, as a half is none.
    """
    if _HALVES.search(text) is None:
        return text
    return _HALVES.sub(
        lambda half: half[0].encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"),
        text,
    )


def seeming(content: bytes) -> str | None:
    """`GB18030`, `Windows-1252`, or None: what bytes that are not UTF-8 seem to be.

    Chinese text is runs of pairs of high bytes; Western text has single ones among ASCII letters.
    """
    runs = [len(run) for run in _HIGH_RUN.findall(content)]
    half = sum(runs) / 2
    pairs = sum(len(run) // 2 for run in _COMMON_RUN.findall(content))
    long = sum(run for run in runs if run >= 4)
    if pairs > 0.8 * half and long > half and _decodes(content, "gb18030"):
        return "GB18030"
    return "Windows-1252" if runs.count(1) >= half and _decodes(content, "cp1252") else None


def _decodes(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _text(raw: RawRow) -> str:
    return "\n".join(
        [*(value for value in raw.values.values() if isinstance(value, str)), *raw.extra]
    )
