"""The fuzzer finds what is planted, and each input that it found is handled ever since."""

from __future__ import annotations

import signal
import time

import pytest

from tests.fuzz import __main__ as program
from tests.fuzz.__main__ import SlowError, attempt, fuzz
from tests.fuzz.parsers import Parser, parsers

PARSERS = {parser.name: parser for parser in parsers()}

#: Parser → inputs that once did anything but raise what is documented.
FOUND = {
    "config.yml": [b"!!int ", b"a: !!float \n"],
    "YAML": [b"!!int ", b"!!timestamp x"],
    "config.toml": [b"pack = " + b"9" * 400, b"lease = 0x" + b"f" * 5000, b'output = "~x/y"'],
    "checkpoint": [b"PK\x06\x07" + b"\0" * 12 + b"\x02\0\0\0" + b"PK\x05\x06" + b"\0" * 18],
    "csv": [
        "prompt\n\x07\udddd\udc80\n".encode("utf-16", "surrogatepass"),
        "prompt,id\nwalks,\ud800\n".encode("utf-16", "surrogatepass"),
    ],
    "json": [b'{"\\ud800": ["walks##"]}'],
    "row names": [b"con.txt" * 40],
    "encoded text": [(9999).to_bytes(8, "little") + b"[" * 9999],
    "cursor": [b"WyItaWQiLDEsOTk5OTk5OTk5OTk5OTk5OTk5OTldCg", b"W1tbW1tb" * 9],
    "model.json": [b'{"schema": 1, "imported_at": "", "modes": {"a": {"bytes": 1e999}}}'],
}


@pytest.fixture(autouse=True)
def alarm():
    before = signal.signal(signal.SIGVTALRM, program._slow)
    yield
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", PARSERS)
def test_seeds_and_what_was_found(name: str) -> None:
    parser = PARSERS[name]
    for content in (*parser.seeds, *FOUND.get(name, ())):
        attempt(parser, content)


@pytest.mark.parametrize("name", PARSERS)
def test_a_seed_is_read(name: str) -> None:
    """A parser that refuses everything is tried in vain."""
    parser = PARSERS[name]
    refused = 0
    for content in parser.seeds:
        try:
            parser.parse(content)
        except parser.errors:
            refused += 1
    # Its message is the published one, which is not here.
    assert refused < len(parser.seeds) or name in {"upstream's program", "encoder.json", "YAML"}


def planted(parse) -> Parser:
    return Parser(name="planted", parse=parse, errors=(ValueError,), seeds=[b'{"key": 1}'])


def test_an_error_of_another_type_is_found_and_made_small() -> None:
    def parse(content: bytes) -> None:
        if b"[[" in content:
            raise RecursionError
        raise ValueError

    tried, finding = fuzz(planted(parse), 3000, 1)
    assert finding is not None
    assert isinstance(finding.error, RecursionError)
    assert tried < 3000 + 1000
    assert len(finding.content) < 40
    assert fuzz(planted(lambda content: [content][0]), 200, 1) == (200, None)


def test_an_endless_parser_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SECONDS", 0.2)

    def parse(content: bytes) -> None:
        until = time.process_time() + 30
        while time.process_time() < until:
            pass

    with pytest.raises(SlowError):
        attempt(planted(parse), b"")
