"""Going through a prompt file: the rows in order, and the first pass that checks all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TextIO

from jobs.promptfile.categories import read_categories
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.delimited import read_csv
from jobs.promptfile.identity import Identities
from jobs.promptfile.jsonl import read_jsonl
from jobs.promptfile.lines import read_txt
from jobs.promptfile.problem import LISTED, Problem, PromptFileError, UnreadableError
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import BadRow, Row, read_row
from jobs.promptfile.source import Source
from jobs.verbs.unfamiliar import PromptCheck, Unfamiliar

#: Metadata columns that a survey names; JSON rows may each have others.
MOST_NAMES = 1000

#: Changes rows on their way from the file: a rewriting.
Through = Callable[[Iterator["Row | BadRow"]], Generator["Row | BadRow", None, None]]

_READERS: Mapping[str, Callable[[TextIO], Iterator[RawRow]]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "txt": read_txt,
    "json": read_categories,
}


@dataclass(frozen=True)
class Asked:
    """What decides a job's class: jobs of one file that share it are counted together."""

    model: str
    mode: str
    frames: int


@dataclass(frozen=True)
class Survey:
    """What the first pass found.

    Attributes:
        rows: good rows.
        jobs: jobs that the good rows make.
        asked: how many of these jobs ask for what.
        metadata: the columns kept as metadata, in the order first seen.
        unfamiliar: what the prompts of good rows ask for that their model has never seen.
        problems: the first `LISTED` problems of the bad rows.
        total: how many problems there are.
        invalid: bad rows.
    """

    rows: int
    jobs: int
    asked: Mapping[Asked, int]
    metadata: tuple[str, ...]
    unfamiliar: tuple[Unfamiliar, ...]
    problems: tuple[Problem, ...]
    total: int
    invalid: int


def read_rows(
    source: Source, defaults: Defaults, *, through: Through | None = None
) -> Generator[Row | BadRow, None, None]:
    """Every row of the file in order, checked alone and against the rows before it, and as
    `through` gives it on.

    Close it (`contextlib.closing`) when it is not read to its end, before the source is closed.

    Raises:
        UnreadableError: at the point past which reading makes no sense.
    """
    if through is not None:
        with closing(read_rows(source, defaults)) as rows, closing(through(rows)) as changed:
            yield from changed
        return
    identities = Identities()
    with source.text() as text:
        for raw in _READERS[source.format](text):
            row = read_row(raw, defaults)
            yield row if isinstance(row, BadRow) else _claimed(identities, raw, row)


def survey(
    source: Source,
    defaults: Defaults,
    *,
    through: Through | None = None,
    rejected: Callable[[BadRow], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Survey:
    """Check the whole file.

    Args:
        through: as for `read_rows`.
        rejected: gets every bad row.
        progress: gets the number of rows read so far.

    Raises:
        PromptFileError: the file cannot be read to its end, or has no row at all.
    """
    count = _Count(rejected)
    try:
        with closing(read_rows(source, defaults, through=through)) as rows:
            for number, row in enumerate(rows, 1):
                count.add(row)
                if progress is not None:
                    progress(number)
    except UnreadableError as error:
        # It is always listed, since it is the one that hides others.
        problems = [*count.problems[: LISTED - 1], error.problem]
        raise PromptFileError(source.name, problems, count.total + 1) from error
    found = count.survey()
    if not found.rows + found.invalid:
        problem = Problem(None, None, "the file has a header and no row", "add a line a motion")
        raise PromptFileError(source.name, [problem])
    return found


class _Count:
    """Adds up what a first pass sees; the memory for it does not grow with the file."""

    def __init__(self, rejected: Callable[[BadRow], None] | None) -> None:
        self._rejected = rejected
        self._rows = self._jobs = self._invalid = 0
        self._asked: Counter[Asked] = Counter()
        self._metadata: dict[str, None] = {}
        self._check = PromptCheck()
        self.problems: list[Problem] = []
        self.total = 0

    def add(self, row: Row | BadRow) -> None:
        if isinstance(row, BadRow):
            self._invalid += 1
            self.total += len(row.problems)
            self.problems += row.problems[: LISTED - len(self.problems)]
            if self._rejected is not None:
                self._rejected(row)
            return
        self._rows += 1
        self._jobs += row.seeds
        self._asked[Asked(row.spec.model, row.spec.mode, row.spec.frames)] += row.seeds
        self._check.add(row.spec.model, row.number, row.spec.prompt)
        if len(self._metadata) < MOST_NAMES:
            self._metadata |= dict.fromkeys(row.spec.metadata)

    def survey(self) -> Survey:
        return Survey(
            rows=self._rows,
            jobs=self._jobs,
            asked=self._asked,
            metadata=tuple(self._metadata),
            unfamiliar=self._check.found(),
            problems=tuple(self.problems),
            total=self.total,
            invalid=self._invalid,
        )


def _claimed(identities: Identities, raw: RawRow, row: Row) -> Row | BadRow:
    spec = row.spec
    holder = identities.claim(spec.custom_id, spec.seed, row.seeds, row.line)
    if holder is None:
        return row
    message = f"{spec.custom_id!r} with this seed is already the row of line {holder}"
    mend = "give every row its own id or seeds (a row without id is named by its number)"
    return BadRow(raw, (Problem(row.line, "id", message, mend),))
