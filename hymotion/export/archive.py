"""Zip archives without compression, of entries that are in memory.

`zipfile` writes the same bytes with far more Python code per entry, during which the thread that
feeds a GPU must wait.
"""

import struct
from collections.abc import Mapping
from zlib import crc32

VERSION = 20
"""Of the format that is needed to read it: 2.0."""

UNIX = 3
FIRST_DAY = 1 << 5 | 1
"""1 January 1980, the earliest date of the format."""

UTF8 = 0x800
"""The flag of a name that is not ASCII."""

READABLE = 0o644 << 16
"""The permissions of an entry."""

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")


def stored_zip(entries: Mapping[str, bytes]) -> bytes:
    """An archive of less than 2 GiB with these entries, by name and in this order.

    The same entries give the same bytes.
    """
    parts: list[bytes] = []
    directory: list[bytes] = []
    offset = 0
    for name, content in entries.items():
        stored, size = name.encode(), len(content)
        facts = (
            *(VERSION, 0 if name.isascii() else UTF8, 0, 0, FIRST_DAY),
            *(crc32(content), size, size, len(stored), 0),
        )
        parts += (LOCAL.pack(b"PK\3\4", *facts), stored, content)
        where = CENTRAL.pack(b"PK\1\2", UNIX << 8 | VERSION, *facts, 0, 0, 0, READABLE, offset)
        directory += (where, stored)
        offset += LOCAL.size + len(stored) + size
    length = sum(map(len, directory))
    end = END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), length, offset, 0)
    return b"".join((*parts, *directory, end))
