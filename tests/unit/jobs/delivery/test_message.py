"""The gate of messages: what the publisher writes, and nothing else.

`HYMO_FUZZ=100000` tries that many inputs instead of a few.
"""

from __future__ import annotations

import base64
import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.delivery.message import LONGEST, envelope, job_of

QUEUE = "hymo.full.24"
TAG = "0123456789abcdef0123456789abcdef-7"
EXAMPLES = int(os.environ.get("HYMO_FUZZ", "400"))
OLDER = Path(__file__).parents[3] / "data" / "home-0005" / "messages.json"


def good(job_id: int = 17) -> dict[str, Any]:
    return envelope(job_id, QUEUE, TAG)


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


def body(*content: Any) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


@pytest.mark.parametrize("job_id", [1, 17, 2**31, 2**63 - 1])
def test_what_the_publisher_writes_is_accepted(job_id: int) -> None:
    assert job_of(encoded(good(job_id)), QUEUE) == job_id


def test_what_a_longer_queue_name_and_the_largest_id_make_is_far_below_the_limit() -> None:
    message = envelope(2**63 - 1, "hymo.encode." + "9" * 20, f"{'f' * 32}-{2**63}")
    assert len(encoded(message)) < LONGEST / 3


def test_what_kombu_put_back_is_accepted() -> None:
    message = good()
    message["headers"]["redelivered"] = True
    message["properties"]["delivery_info"]["redelivered"] = True
    assert job_of(encoded(message), QUEUE) == 17
    assert job_of(encoded(good() | {"redelivered": True}), QUEUE) == 17


def test_messages_of_the_version_before_are_accepted() -> None:
    found = {
        job_of(text.encode(), queue)
        for queue, texts in json.loads(OLDER.read_text("utf-8")).items()
        for text in texts
    }
    assert found
    assert all(isinstance(each, int) for each in found), found


def altered(path: tuple[str, ...], value: Any) -> bytes:
    message = good()
    part = message
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return encoded(message)


TAIL = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
SPOILT = {
    "body": [
        body([18], {}, TAIL), body([17, 1], {}, TAIL), body(["17"], {}, TAIL), body([17], {}),
        body([17], {"a": 1}, TAIL), body([17], {}, 5), body([17], {}, TAIL | {"chord": 5}),
        body([17], {}, TAIL | {"callbacks": [{"task": "hymo.take", "args": [1]}]}),
        "[[17], {}, {}]", "", 17, None, {},
    ],
    "content-type": ["application/x-python-serialize", "application/x-yaml", None, 1],
    "content-encoding": ["binary", "utf-16", None],
    "headers": [[1], None, {}, "x", 5],
    "headers id": [None, 17, "17", "0-" + TAG, "-1-" + TAG, f"{2**63}-{TAG}", f"18-{TAG}", [17]],
    "headers task": ["os.system", [1], {"a": 1}, None],
    "headers eta": ["2999-01-01T00:00:00+00:00", 5, ""],
    "headers expires": ["2001-01-01T00:00:00+00:00", "soon"],
    "headers timelimit": [[1, 1], None, 5],
    "headers retries": [1, -1, "0"],
    "headers group": ["g"],
    "headers compression": ["application/x-gzip", None],
    "headers shadow": ["another name"],
    "headers stamped_headers": [["a"]],
    "headers redelivered": [1, "yes", False],
    "properties": [None, [], {}],
    "properties delivery_tag": [{}, [], None, "", 7, TAG + "0"],
    "properties delivery_info": [7, None, [], {}, {"exchange": ""}],
    "properties body_encoding": ["utf-8", None, "base32"],
    "properties priority": [9, "high"],
    "properties reply_to": ["victim"],
    "properties correlation_id": ["other"],
    "properties delivery_info exchange": ["celery", "fanout", None],
    "properties delivery_info routing_key": ["hymo.full.8", None, 5, "\x1b[2J"],
}  # fmt: skip


@pytest.mark.parametrize("field", SPOILT)
def test_every_field_is_the_publishers(field: str) -> None:
    for value in SPOILT[field]:
        reason = job_of(altered(tuple(field.split()), value), QUEUE)
        assert isinstance(reason, str), value
        assert reason.isascii(), reason
        assert reason.isprintable(), reason


def paths(part: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(part, dict):
        for key, each in part.items():
            yield (*above, key)
            yield from paths(each, (*above, key))


def test_a_field_that_is_missing_or_another_one_is_refused() -> None:
    for path in paths(good()):
        message = good()
        part = message
        for key in path[:-1]:
            part = part[key]
        value = part.pop(path[-1])
        assert isinstance(job_of(encoded(message), QUEUE), str), path
        part[path[-1]] = value
        assert job_of(encoded(message), QUEUE) == 17
        part["more"] = None
        assert isinstance(job_of(encoded(message), QUEUE), str), path


def test_reasons_name_the_field() -> None:
    assert job_of(b"x", QUEUE) == "it is not JSON"
    assert job_of(b"x" * 2_000_000, QUEUE) == "it is longer than 4096 bytes"
    assert job_of(b"[" * 1000, QUEUE) == "it holds more objects and lists than HyMo writes"
    assert job_of(altered(("headers", "eta"), "soon"), QUEUE) == (
        "its headers eta is not what HyMo writes"
    )
    assert job_of(altered(("headers", "compression"), 1), QUEUE) == (
        "its headers has fields that HyMo does not write"
    )


@pytest.mark.parametrize(
    "message",
    [b"", b"x", b"[]", b"null", b"5", b'"x"', b"{}", b"\xff\xfe", b"\xef\xbb\xbf{}", b"NaN",
     b"[" * LONGEST, b'{"a":' * 700, b"1" * LONGEST, b'{"headers": 1}',
     json.dumps(good()).encode("utf-16")],
)  # fmt: skip
def test_what_is_no_message_is_refused(message: bytes) -> None:
    assert isinstance(job_of(message, QUEUE), str)


# --- Fuzzing ------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@st.composite
def nearly(draw: st.DrawFn) -> bytes:
    """An envelope with a few fields that are another value, gone, or new."""
    message = good(draw(st.integers(-1, 2**64)))
    for _ in range(draw(st.integers(0, 3))):
        *above, last = draw(st.sampled_from(sorted(paths(good()))))
        part: Any = message
        for key in above:
            part = part.get(key) if isinstance(part, dict) else None
        if isinstance(part, dict):
            if draw(st.booleans()):
                part[draw(st.just(last) | st.just("redelivered") | st.text(max_size=9))] = draw(
                    JSON
                )
            else:
                part.pop(last, None)
    return encoded(message)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An envelope with a piece cut out and other bytes in its place."""
    text = encoded(good())
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return text[:start] + draw(st.binary(max_size=30)) + text[end:]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=200) | JSON.map(encoded) | nearly() | damaged())
def test_any_bytes_are_a_job_of_the_publishers_envelope_or_refused(message: bytes) -> None:
    found = job_of(message, QUEUE)
    if isinstance(found, str):
        assert found.isascii()
        assert found.isprintable()
        return
    assert 0 < found < 2**63
    read = json.loads(message)
    tag = read["properties"]["delivery_tag"]
    for part in (read, read["headers"], read["properties"], read["properties"]["delivery_info"]):
        part.pop("redelivered", None)
    assert read == envelope(found, QUEUE, tag)


def test_the_envelope_is_a_new_one_each_time() -> None:
    first = good()
    kept = copy.deepcopy(first)
    first["headers"]["timelimit"].append(1)
    assert good() == kept
