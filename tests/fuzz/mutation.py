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

_KINDS = ("insert", "replace", "delete", "double", "cut", "swap")


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes], pieces: Sequence[bytes] = ()) -> bytes:
    """One of `seeds` with up to six changes; `pieces` are put in beside `PIECES`."""
    data = draw(st.sampled_from(seeds))
    anything = st.binary(max_size=8)
    piece = st.sampled_from((*PIECES, *pieces)) if draw(st.booleans()) else anything
    edit = st.tuples(st.sampled_from(_KINDS), st.integers(0, 2**16 - 1), st.integers(0, 24), piece)
    for kind, place, length, new in draw(st.lists(edit, max_size=6)):
        # Places are shares of the length, so that a shorter input is hit everywhere as well.
        at = place * (len(data) + 1) >> 16
        data = _changed(data, kind, at, length, new)[:LONGEST]
    return data


def _changed(data: bytes, kind: str, at: int, length: int, new: bytes) -> bytes:
    head, piece, tail = data[:at], data[at : at + length], data[at + length :]
    match kind:
        case "insert":
            return head + new * max(1, length) + piece + tail
        case "replace":
            return head + new + tail
        case "delete":
            return head + tail
        case "double":
            return head + piece * 2 ** min(10, length) + tail
        case "cut":
            return head
        case _:
            return tail + piece + head
