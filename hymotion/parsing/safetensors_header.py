"""The header of a safetensors file: which tensors it has, and that it tells the truth.

The format (https://huggingface.co/docs/safetensors, "Format") is the header's length in 8 bytes, a
JSON object, and the tensors' bytes. Each byte after the header belongs to exactly one tensor.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hymotion.errors import shown
from hymotion.parsing.plain_data import PlainDataError, parse_json

COUNT = 8
"""Number of bytes at the start of a file that give its header's length."""

MAX_HEADER = 16 * 2**20
"""Maximum length of a header: more than a hundred thousand tensors."""

BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""The format's types → bits of a number."""

METADATA = "__metadata__"
KEYS = {"dtype", "shape", "data_offsets"}


class HeaderError(ValueError):
    """A file is not what a safetensors file is; the message says why.

    Attributes:
        promised: bytes that the header says the file has, if it has another number.
    """

    def __init__(self, problem: str, *, promised: int | None = None) -> None:
        super().__init__(problem)
        self.promised = promised


@dataclass(frozen=True)
class TensorEntry:
    """One tensor: its type's name, its shape, and its first byte and the one after its last,
    counted from the header's end."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The tensors of a file, after checking that they fill it without overlap or hole.

    Raises:
        HeaderError: it is not a safetensors file, or its header does not fit its size.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(COUNT)
        length = struct.unpack("<Q", head)[0] if len(head) == COUNT else MAX_HEADER + 1
        if length > MAX_HEADER:
            raise HeaderError("it is not a safetensors file")
        return parse_header(file.read(length), length=length, size=size)


def parse_header(text: bytes, *, length: int, size: int) -> dict[str, TensorEntry]:
    """The tensors that a header describes.

    Args:
        text: the header, as much of it as the file has.
        length: of the header as the file says.
        size: of the whole file, in bytes.

    Raises:
        HeaderError: the header is no header, or does not fit the size.
    """
    first = COUNT + length
    if len(text) < length:
        raise HeaderError("its header is cut short", promised=first)
    try:
        table = parse_json(text)
    except PlainDataError as error:
        problem = f"it is not a safetensors file: its header cannot be read ({error})"
        raise HeaderError(problem) from error
    if not isinstance(table, dict):
        raise HeaderError("it is not a safetensors file: its header is not an object")
    entries = {name: _entry(name, value) for name, value in table.items() if name != METADATA}
    end = first + max((entry.end for entry in entries.values()), default=0)
    if size != end:
        raise HeaderError("its size is not that of its tensors", promised=end)
    _check_places(entries)
    return entries


def _entry(name: str, value: object) -> TensorEntry:
    if not isinstance(value, dict) or value.keys() != KEYS:
        raise _wrong(name, "has not dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        raise _wrong(name, "has an unknown type")
    if not _counts(shape) or not _counts(offsets) or len(offsets) != 2:
        raise _wrong(name, "has a shape or offsets that are not whole numbers from 0 up")
    begin, end = offsets
    if begin > end:
        raise _wrong(name, "ends before it begins")
    numbers = 0 if 0 in shape else 1
    for length in shape:
        numbers *= length
        # A shape of many large numbers must not be multiplied to its end.
        if numbers > 8 * (end - begin):
            break
    if numbers * BITS[dtype] != 8 * (end - begin):
        raise _wrong(name, "has more or fewer bytes than its shape and type need")
    return TensorEntry(dtype, tuple(shape), begin, end)


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)


def _check_places(entries: Mapping[str, TensorEntry]) -> None:
    place = 0
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin < place:
            raise _wrong(name, "shares bytes with another tensor")
        if entry.begin > place:
            raise _wrong(name, "begins after bytes that belong to no tensor")
        place = entry.end


def _wrong(name: str, problem: str) -> HeaderError:
    return HeaderError(f"its header is invalid: tensor {shown(name)} {problem}")
