"""Rewriting of rows: which prompts are sent, the outcome of each row, and the order."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from jobs.domain.spec import Origin
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import BadRow, Row, read_row
from jobs.rewriting.answer import Answer
from jobs.rewriting.asker import Breaker
from jobs.rewriting.cache import AnswerCache
from jobs.rewriting.errors import RewriteError
from jobs.rewriting.report import RewriteOutcome
from jobs.rewriting.rewriting import Rewriting
from jobs.rewriting.wish import Wish

BOTH = Wish(text=True, seconds=True)
TEXT = Wish(text=True)
SECONDS = Wish(seconds=True)


@dataclass
class Oracle:
    """Answers at once from a table; prompts that are not in it fail."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    breaker: Breaker = field(default_factory=Breaker)
    asked: Counter[str] = field(default_factory=Counter)
    meanwhile: Callable[[str], object] = lambda prompt: None

    async def ask(self, prompt: str) -> Answer:
        self.breaker.require()
        self.asked[prompt] += 1
        await asyncio.to_thread(self.meanwhile, prompt)
        if prompt in self.answers:
            self.breaker.worked()
            return self.answers[prompt]
        error = RewriteError("HTTP 500")
        self.breaker.failed(error)
        raise error


Make = Callable[..., Rewriting]


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as made:
        yield made


@pytest.fixture
def make(tmp_path: Path, portal: BlockingPortal) -> Iterator[Make]:
    caches: list[AnswerCache] = []

    def making(oracle: Oracle | None, wish: Wish = TEXT, **options: object) -> Rewriting:
        cache = AnswerCache(tmp_path, url="http://host/v1", model="m", wish=wish)
        values = {"concurrency": 4, "portal": portal} | options
        caches.append(cache)
        return Rewriting(wish=wish, asker=oracle, cache=cache, **values)

    yield making
    for cache in caches:
        cache.close()


def rows(*prompts: str, **cells: object) -> list[Row | BadRow]:
    found = []
    for number, prompt in enumerate(prompts, 1):
        raw = RawRow(number, number + 1, {"prompt": prompt, **cells})
        found.append(read_row(raw, Defaults()))
    return found


def only(found: Iterator[Row | BadRow]) -> Row:
    (row,) = found
    assert isinstance(row, Row)
    return row


def test_the_answer_is_sampled_and_the_row_remembers_what_it_said(make: Make) -> None:
    rewriting = make(Oracle({"läuft": Answer(text="A person walks.")}))
    (before,) = rows("läuft", id="a", frames="60")
    row = only(rewriting.rows([before]))
    assert (row.spec.prompt, row.spec.frames) == ("A person walks.", 60)
    assert row.spec.origin == Origin(
        prompt="läuft", frames=60, asked=("prompt",), outcome="rewritten"
    )
    assert (row.spec.original_prompt, row.spec.rewrite) == ("läuft", "rewritten")
    assert (row.raw, row.timed, row.seeds) == (before.raw, True, 1)
    report = rewriting.report()
    assert (report.asked, report.rows, report.reasons) == (1, {RewriteOutcome.REWRITTEN: 1}, {})


def test_the_identity_of_the_row_is_what_it_asked_and_that_of_the_motion_what_is_sampled(
    make: Make,
) -> None:
    (before,) = rows("läuft")
    first = only(make(Oracle({"läuft": Answer(text="A person walks.")})).rows([before])).spec
    other = only(make(Oracle()).rows([before])).spec
    assert first == other, "the first submit's answer is kept"
    failed = only(make(Oracle(), wish=BOTH).rows([before])).spec
    assert before.spec.row_hash() != first.row_hash() != failed.row_hash(), "other wishes"
    assert first.content_hash("lite", "r") != before.spec.content_hash("lite", "r")
    assert failed.content_hash("lite", "r") == before.spec.content_hash("lite", "r")
    longer = Oracle({"läuft": Answer(text="A person walks.", seconds=3.0)})
    timed = only(make(longer, wish=BOTH).rows([before])).spec
    assert timed.frames == 90
    assert timed.row_hash() == failed.row_hash(), "whatever the answer"


def test_an_answer_that_changes_nothing_is_said_to(make: Make) -> None:
    oracle = Oracle({"A person walks.": Answer(text="A person walks.", seconds=100 / 30)})
    row = only(make(oracle, wish=BOTH).rows(rows("A person walks.")))
    assert (row.spec.rewrite, row.spec.original_prompt) == ("unchanged", None)


def test_a_length_is_estimated_where_the_row_gives_none(make: Make) -> None:
    oracle = Oracle({"walks": Answer(seconds=2.0)})
    rewriting = make(oracle, wish=SECONDS)
    row = only(rewriting.rows(rows("walks")))
    assert (row.spec.frames, row.spec.rewrite, row.spec.original_prompt) == (60, "rewritten", None)
    own = only(rewriting.rows(rows("jumps", seconds="1")))
    assert (own.spec.frames, own.spec.origin) == (30, None)
    assert oracle.asked == {"walks": 1}, "there is nothing to ask about a row with a length"
    both = make(Oracle({"hops": Answer(text="A person hops.", seconds=2.0)}), wish=BOTH)
    timed = only(both.rows(rows("hops", frames="40")))
    assert (timed.spec.prompt, timed.spec.frames) == ("A person hops.", 40)
    assert timed.spec.origin.asked == ("prompt",)


def test_a_length_out_of_range_is_named_and_not_used(make: Make) -> None:
    oracle = Oracle({"walks": Answer(text="A person walks.", seconds=40.0)})
    rewriting = make(oracle, wish=BOTH)
    row = only(rewriting.rows(rows("walks")))
    assert (row.spec.prompt, row.spec.frames) == ("A person walks.", 100)
    assert row.spec.rewrite == "own_length: an estimate of 40 s is out of range (0.67 to 12 s)"
    assert rewriting.report().rows == {RewriteOutcome.OWN_LENGTH: 1}
    bad = next(make(oracle, wish=BOTH, require=True).rows(rows("walks")))
    assert isinstance(bad, BadRow)
    assert "40 s is out of range" in bad.problems[0].reason


def test_a_prompt_without_an_answer_stays_as_it_is_and_says_why(make: Make) -> None:
    rewriting = make(Oracle({"walks": Answer(text="A person walks.")}))
    walks, jumps = rewriting.rows(rows("walks", "jumps"))
    assert (jumps.spec.prompt, jumps.spec.rewrite) == ("jumps", "failed: HTTP 500")
    report = rewriting.report()
    assert report.rows == {RewriteOutcome.REWRITTEN: 1, RewriteOutcome.FAILED: 1}
    assert report.reasons == {"HTTP 500": 1}
    assert walks.spec.rewrite == "rewritten"


def test_required_answers_that_are_missing_make_bad_rows(make: Make) -> None:
    rewriting = make(Oracle({"walks": Answer(text="A person walks.")}), require=True)
    walks, jumps = rewriting.rows(rows("walks", "jumps"))
    assert isinstance(walks, Row)
    assert isinstance(jumps, BadRow)
    assert jumps.raw.values == {"prompt": "jumps"}
    located = jumps.problems[0].located("f.csv")
    assert located.startswith("f.csv:3: prompt: could not be rewritten: HTTP 500; ")


def test_a_prompt_is_asked_about_once_in_all_rows_and_passes(make: Make) -> None:
    oracle = Oracle({"walks": Answer(text="A person walks.")})
    rewriting = make(oracle, concurrency=2)
    given = rows("walks", "jumps", "walks", "jumps", *["walks", "jumps"] * 20)
    first = list(rewriting.rows(given))
    assert list(rewriting.rows(given)) == first
    assert oracle.asked == {"walks": 1, "jumps": 1}
    report = rewriting.report()
    assert (report.asked, sum(report.rows.values())) == (2, len(given)), "rows of one pass"


def test_a_prompt_that_is_being_asked_about_is_not_asked_about_again(make: Make) -> None:
    gate = threading.Event()

    def reading() -> Iterator[Row | BadRow]:
        yield from rows("walks", "walks", "walks")
        gate.set()

    oracle = Oracle({"walks": Answer(text="W")}, meanwhile=lambda prompt: gate.wait(10))
    rewriting = make(oracle, concurrency=3)
    assert [row.spec.prompt for row in rewriting.rows(reading())] == ["W", "W", "W"]
    assert oracle.asked == {"walks": 1}
    assert rewriting.report().asked == 1


def test_rows_come_in_the_files_order_whichever_answer_is_first(make: Make) -> None:
    last = threading.Event()

    def meanwhile(prompt: str) -> None:
        if prompt == "p0":
            last.wait(10)
        elif prompt == "p2":
            last.set()

    prompts = [f"p{number}" for number in range(3)]
    oracle = Oracle({each: Answer(text=each.upper()) for each in prompts}, meanwhile=meanwhile)
    found = [row.spec.prompt for row in make(oracle, concurrency=3).rows(rows(*prompts))]
    assert found == ["P0", "P1", "P2"]


def test_so_many_are_asked_about_at_a_time_and_no_more(make: Make, portal: BlockingPortal) -> None:
    gate = threading.Event()
    oracle = Oracle(meanwhile=lambda prompt: gate.wait(10))

    def reading() -> Iterator[Row | BadRow]:
        yield from rows(*(f"p{number}" for number in range(10)))
        portal.call(anyio.wait_all_tasks_blocked)
        assert set(oracle.asked) == {"p0", "p1"}
        gate.set()

    assert len(list(make(oracle, concurrency=2).rows(reading()))) == 10


def test_bad_rows_pass_in_their_place_and_are_not_asked_about(make: Make) -> None:
    given = [*rows("walks"), *rows(""), *rows("jumps")]
    oracle = Oracle({"walks": Answer(text="W"), "jumps": Answer(text="J")})
    kinds = [type(row) for row in make(oracle).rows(given)]
    assert kinds == [Row, BadRow, Row]
    assert set(oracle.asked) == {"walks", "jumps"}


def test_a_file_is_read_only_so_far_ahead(make: Make) -> None:
    read = 0

    def reading() -> Iterator[Row | BadRow]:
        nonlocal read
        for row in rows(*(f"p{number}" for number in range(200))):
            read += 1
            yield row

    gate = threading.Event()
    oracle = Oracle(meanwhile=lambda prompt: gate.wait(10))
    rewriting = make(oracle, concurrency=1)
    found = rewriting.rows(reading())
    threading.Timer(0.05, gate.set).start()
    next(found)
    assert read <= 9, "memory does not grow with the file behind a slow answer"
    found.close()


def test_the_rest_is_not_asked_when_nothing_works(make: Make) -> None:
    oracle = Oracle(breaker=Breaker(limit=3))
    rewriting = make(oracle, concurrency=1)
    found = list(rewriting.rows(rows(*(f"p{number}" for number in range(50)))))
    assert len(found) == 50
    assert sum(oracle.asked.values()) == 3
    report = rewriting.report()
    assert (report.asked, report.stopped) == (3, "HTTP 500")
    assert report.reasons == {"not asked, after 3 in a row without an answer": 47, "HTTP 500": 3}
    assert next(rewriting.rows(rows("p0"))).spec.rewrite == "failed: HTTP 500"


def test_a_dry_run_uses_what_is_kept_and_asks_nothing(make: Make) -> None:
    only(make(Oracle({"walks": Answer(text="A person walks.")})).rows(rows("walks")))
    dry = make(None)
    walks, jumps = dry.rows(rows("walks", "jumps"))
    assert walks.spec.prompt == "A person walks."
    assert (jumps.spec.prompt, jumps.spec.origin) == ("jumps", None)
    assert dry.report().rows == {RewriteOutcome.REWRITTEN: 1, RewriteOutcome.UNASKED: 1}


def test_what_was_answered_is_kept_although_nobody_waited_for_it(make: Make) -> None:
    two_answered = threading.Event()
    slow = threading.Event()

    def meanwhile(prompt: str) -> None:
        if prompt == "p3":
            two_answered.set()
        if prompt in {"p0", "p3"}:
            slow.wait(10)

    answers = {f"p{number}": Answer(text=f"P{number}") for number in range(4)}
    with start_blocking_portal() as portal, ThreadPoolExecutor(1) as reader:
        oracle = Oracle(answers, meanwhile=meanwhile)
        first = reader.submit(next, make(oracle, concurrency=2, portal=portal).rows(rows(*answers)))
        assert two_answered.wait(10)
        portal.call(portal.stop, True)
        with pytest.raises(CancelledError):
            first.result(10)
        slow.set()
    again = Oracle(answers)
    assert [row.spec.prompt for row in make(again).rows(rows(*answers))] == ["P0", "P1", "P2", "P3"]
    assert set(again.asked) == {"p0", "p3"}
