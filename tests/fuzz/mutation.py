"""Inputs that are almost right: a valid file with a few pieces of it cut, doubled or replaced."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

#: Inputs have at most so many bytes.
LONGEST = 64 * 2**10

#: Bytes that mean something to most parsers.
PIECES = (
    b"", b" ", b"\n", b"\r\n", b"\t", b",", b";", b"|", b":", b"=", b'"', b'""', b"'", b"#", b"\0",
    b"\\", b"\\u0000", b"\\ud800", b"{", b"}", b"[", b"]", b"[[[[[[[[", b'{"":', b"(", b")", b"-",
    b"0", b"1", b"00000000", b"-1", b"1e999", b"0x", b"9" * 30, b"9223372036854775808", b"NaN",
    b"Infinity", b"null", b"true", b"..", b"/", b"../", b"%", b"@", b"*", b"&", b"&a ", b"*a",
    b"!!python/object:os.system", b"~", b"?", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", b"!!",
    "\u0301\u0315".encode(), "\u2028\u200b\ufeff".encode(), "木".encode(), b"sep=;", b"<!doctype",
)  # fmt: skip

#: Bytes of a tape: one that chooses the seed, and five for each change.
_TAPE = 1 + 6 * 5


def mutated(seeds: Sequence[bytes], pieces: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """One of `seeds` with up to six changes; `pieces` are put in beside `PIECES`.

    An input is drawn as one string of bytes that says what to change: drawing the changes one by
    one takes five times as long, and is what most of the time of a run would go to.
    """
    known = (*PIECES, *pieces)
    return st.binary(min_size=_TAPE, max_size=_TAPE).map(lambda tape: _made(tape, seeds, known))


def _made(tape: bytes, seeds: Sequence[bytes], pieces: Sequence[bytes]) -> bytes:
    data = seeds[tape[0] % len(seeds)]
    for start in range(1, _TAPE, 5):
        kind, high, low, length, chosen = tape[start : start + 5]
        # Places are shares of the length, so that a short input is hit everywhere as well.
        place = (high << 8 | low) * (len(data) + 1) >> 16
        new = pieces[chosen % len(pieces)] if length % 4 else tape[-(chosen % 9) :]
        data = _changed(data, kind % 10, place, length % 25, new)[:LONGEST]
    return data


def _changed(data: bytes, kind: int, at: int, length: int, new: bytes) -> bytes:
    """`data` with one change; kind 0, to which findings are made small, is none."""
    head, piece, tail = data[:at], data[at : at + length], data[at + length :]
    match kind:
        case 1:
            return head + new + piece + tail
        case 2:
            return head + new + tail
        case 3:
            return head + tail
        case 4:
            return head + piece * (length * length // 4) + tail
        case 5:
            return head + new * 2 ** (length % 12) + piece + tail
        case 6:
            return head if length % 2 else tail
        case 7:
            return tail + piece + head
        case _:
            return data
