"""Read the rows of a prompt file in order, and survey the whole file in a first pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TextIO

from jobs.promptfile.categories import read_categories
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.delimited import read_csv
from jobs.promptfile.encoding import named
from jobs.promptfile.header import DELIMITERS, likely
from jobs.promptfile.identity import Identities
from jobs.promptfile.jsonl import read_jsonl
from jobs.promptfile.lines import MoMask, read_txt
from jobs.promptfile.problem import LISTED, Problem, PromptFileError, UnreadableError
from jobs.promptfile.raw import RawRow
from jobs.promptfile.row import BadRow, Row, read_row
from jobs.promptfile.source import Source
from jobs.verbs.unfamiliar import PromptCheck, Unfamiliar

#: Maximum number of metadata columns that a survey collects; every JSON row may have others.
MOST_NAMES = 1000

#: Transforms the rows that are read, such as a rewriting.
Through = Callable[[Iterator["Row | BadRow"]], Generator["Row | BadRow", None, None]]

_READERS: Mapping[str, Callable[[TextIO], Iterator[RawRow]]] = {
    "csv": read_csv,
    "tsv": partial(read_csv, first=likely("tsv")),
    "jsonl": read_jsonl,
    "txt": read_txt,
    "json": read_categories,
}


@dataclass(frozen=True)
class Asked:
    """The values that decide a job's class; a survey counts the jobs that share them."""

    model: str
    mode: str
    frames: int


@dataclass(frozen=True)
class Reading:
    """What was recognised of a file, for the user to confirm.

    Attributes:
        recognised: how it is written where that is not UTF-8 and commas, in words.
        reread: number of valid rows that earlier versions may have read differently.
        momask: whether the file may be MoMask's, whose lengths are at 20 frames a second.
    """

    recognised: tuple[str, ...] = ()
    reread: int = 0
    momask: bool = False


@dataclass(frozen=True)
class Survey:
    """The result of the first pass.

    Attributes:
        rows: number of valid rows.
        jobs: number of jobs of the valid rows.
        asked: number of these jobs for each model, mode and length.
        metadata: the columns kept as metadata, in the order first seen.
        unfamiliar: what valid rows' prompts ask for that their model has not seen in training.
        problems: the first `LISTED` problems of the invalid rows.
        total: number of problems.
        invalid: number of invalid rows.
        reading: what was recognised of the file.
    """

    rows: int
    jobs: int
    asked: Mapping[Asked, int]
    metadata: tuple[str, ...]
    unfamiliar: tuple[Unfamiliar, ...]
    problems: tuple[Problem, ...]
    total: int
    invalid: int
    reading: Reading = field(default_factory=Reading)


def read_rows(
    source: Source, defaults: Defaults, *, through: Through | None = None
) -> Generator[Row | BadRow, None, None]:
    """The rows of the file in order, checked for duplicates and passed through `through`.

    Unless it is read to its end, close it (`contextlib.closing`) before the source is closed.

    Raises:
        UnreadableError: the file cannot be read any further.
    """
    if through is not None:
        with closing(read_rows(source, defaults)) as rows, closing(through(rows)) as changed:
            yield from changed
        return
    identities = Identities()
    with source.text() as text:
        for raw in _READERS[source.format](text):
            row = read_row(raw, defaults)
            yield named(row) if isinstance(row, BadRow) else _claimed(identities, raw, row)


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
        rejected: called with every invalid row.
        progress: called with the number of rows read so far.

    Raises:
        PromptFileError: the file cannot be read to its end, or has no rows.
    """
    count = _Count(rejected, lines=source.format in {"txt", "json"})
    label = ""
    try:
        label = source.decoding().label
        with closing(read_rows(source, defaults, through=through)) as rows:
            for number, row in enumerate(rows, 1):
                count.add(row)
                if progress is not None:
                    progress(number)
    except UnreadableError as error:
        # Always list this problem, since the rows after it were not checked.
        problems = [*count.problems[: LISTED - 1], error.problem]
        raise PromptFileError(source.name, problems, count.total + 1) from error
    found = count.survey(label)
    if not found.rows + found.invalid:
        problem = Problem(None, None, "the file has a header and no rows", "add a row")
        raise PromptFileError(source.name, [problem])
    return found


class _Count:
    """Accumulates a survey; its memory does not grow with the file.

    `lines`: whether the rows are prompt#frames#id.
    """

    def __init__(self, rejected: Callable[[BadRow], None] | None, *, lines: bool) -> None:
        self._rejected = rejected
        self._rows = self._jobs = self._invalid = self._reread = 0
        self._delimiters: dict[str, None] = {}
        self._commas = False
        self._momask = MoMask() if lines else None
        self._asked: Counter[Asked] = Counter()
        self._metadata: dict[str, None] = {}
        self._check = PromptCheck()
        self.problems: list[Problem] = []
        self.total = 0

    def add(self, row: Row | BadRow) -> None:
        if row.raw.delimiter != ",":
            self._delimiters[row.raw.delimiter] = None
        if isinstance(row, BadRow):
            self._invalid += 1
            self.total += len(row.problems)
            self.problems += row.problems[: LISTED - len(self.problems)]
            if self._rejected is not None:
                self._rejected(row)
            return
        self._rows += 1
        self._jobs += row.seeds
        self._reread += row.reread
        self._commas = self._commas or row.commas
        if self._momask is not None:
            self._momask.add(row)
        self._asked[Asked(row.spec.model, row.spec.mode, row.spec.frames)] += row.seeds
        self._check.add(row.spec.model, row.number, row.spec.prompt)
        if len(self._metadata) < MOST_NAMES:
            self._metadata |= dict.fromkeys(row.spec.metadata)

    def survey(self, encoding: str) -> Survey:
        """The survey; `encoding` as in `Encoding.label`."""
        delimiters = [DELIMITERS[each] for each in self._delimiters]
        recognised = [*delimiters, "decimal commas" * self._commas, encoding]
        return Survey(
            rows=self._rows,
            jobs=self._jobs,
            asked=self._asked,
            metadata=tuple(self._metadata),
            unfamiliar=self._check.found(),
            problems=tuple(self.problems),
            total=self.total,
            invalid=self._invalid,
            reading=Reading(
                recognised=tuple(filter(None, recognised)),
                reread=self._reread,
                momask=self._momask is not None and self._momask.likely,
            ),
        )


def _claimed(identities: Identities, raw: RawRow, row: Row) -> Row | BadRow:
    spec = row.spec
    holder = identities.claim(spec.custom_id, spec.seed, row.seeds, row.line)
    if holder is None:
        return row
    message = f"{spec.custom_id!r} with this seed is already the row of line {holder.line}"
    if holder.respelt:
        message += ", whose id differs only in case or Unicode form: one file to some file systems"
    mend = "give every row its own id or seeds (a row without id is named by its number)"
    return BadRow(raw, (Problem(row.line, "id", message, mend),))
