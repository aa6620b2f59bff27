"""Format values for people: durations, sizes, times, and text that is safe for a terminal."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

GB = 10**9
GIB = 2**30

#: What a line begins with that its continuation is indented by.
_HEAD = re.compile(r"(?:note|warning): |\s*")
#: A word and the spaces before it. A command in backticks is one word, so that it can be copied.
_WORD = re.compile(r"\s*(?:`[^`]*`|\S)+")


def clean(text: str) -> str:
    """`text` on one line, without characters that control a terminal.

    Line breaks become ⏎ and tabs a space; control, bidirectional and other format characters are
    escaped, except the joiners that some scripts and emoji need.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean, text.replace("\r\n", "\n")))


def filled(text: str, width: int) -> str:
    """`text`, one line, broken between words into lines of at most `width` cells.

    Lines after the first are indented below `note: `, `warning: ` or the indent of the first.
    Words are not broken, so that paths can be copied.
    """
    if len(text) * 2 <= width:
        return text
    from rich.cells import cell_len

    head = _HEAD.match(text)
    indent = " " * (0 if head is None else head.end())
    lines = [text[: len(indent)]]
    for word in _WORD.findall(text, len(indent)):
        if lines[-1].strip() and cell_len(lines[-1] + word) > width:
            lines.append(indent + word.lstrip())
        else:
            lines[-1] += word
    return "\n".join(lines)


def _clean(character: str) -> str:
    if character in "\n\r\v\f\x85\u2028\u2029":
        return "⏎"
    if character == "\t":
        return " "
    if character in "\u200c\u200d" or unicodedata.category(character) not in {"Cc", "Cf", "Cs"}:
        return character
    return escaped(character)


def escaped(character: str) -> str:
    """The escape of a character, such as `\\x1b`."""
    return character.encode("unicode_escape").decode("ascii")


def duration(seconds: float | None) -> str:
    """Seconds as `4.2 ms`, `31 ms`, `0.31 s`, `12.3 s`, `3 m 20 s`, `2 h 05 m` or `4 d 03 h`."""
    if seconds is None:
        return ""
    if seconds < 0.0995:
        return f"{seconds * 1000:.{int(seconds < 0.00995)}f} ms" if seconds else "0 s"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // small:02d} {small_unit}"
    return f"{whole // 60} m {whole % 60:02d} s"


def gigabytes(size: int | float | None) -> str:
    """Bytes in GB (10⁹), one decimal, as in the published tables of cards."""
    return "" if size is None else f"{size / GB:.1f} GB"


def gibibytes(size: int) -> str:
    """Bytes in GiB (2³⁰), as in the names of memory classes."""
    return f"{size / GIB:.3g} GiB"


def quantity(value: float | None, unit: str) -> str:
    """A value with its unit: `0.42 mm`, `57.4 mm`, `162 m/s³`; empty for None."""
    if value is None:
        return ""
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def millimetres(value: float | None) -> str:
    """`0.42 mm`."""
    return quantity(value, "mm")


def jerk(value: float | None) -> str:
    """`82.0 m/s³`."""
    return quantity(value, "m/s³")


def file_size(size: int) -> str:
    """The size of a file: `812 B`, `14.2 kB`, `3.1 MB`."""
    if size < 1000:
        return f"{size} B"
    if size < 10**6:
        return f"{size / 1000:.1f} kB"
    return f"{size / 10**6:.1f} MB"


def local_time(epoch: float | None) -> str:
    """Epoch seconds in the local time zone, to the second; empty for None."""
    if epoch is None:
        return ""
    return datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(seconds: float) -> str:
    """How long ago, in the largest whole unit: `45 s`, `12 m`, `3 h`, `2 d`."""
    whole = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def percent(share: float | None) -> str:
    """A share (0–1) in percent with one decimal; empty for None."""
    return "" if share is None else f"{100 * share:.1f} %"


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 job`, `3 jobs`, `2 batches`."""
    return f"{count} {noun if count == 1 else many or noun + 's'}"
