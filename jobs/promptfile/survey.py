"""Going through a prompt file: the rows in order, and the first pass that checks all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
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
        problems: the first `LISTED` problems of the bad rows.
        total: how many problems there are.
        invalid: bad rows.
    """

    rows: int
    jobs: int
    asked: Mapping[Asked, int]
    metadata: tuple[str, ...]
    problems: tuple[Problem, ...]
    total: int
    invalid: int


def read_rows(source: Source, defaults: Defaults) -> Iterator[Row | BadRow]:
    """Every row of the file in order, checked alone and against the rows before it.

    Raises:
        UnreadableError: at the point past which reading makes no sense.
    """
    identities = Identities()
    with source.text() as text:
        for raw in _READERS[source.format](text):
            row = read_row(raw, defaults)
            yield row if isinstance(row, BadRow) else _claimed(identities, raw, row)


def survey(
    source: Source,
    defaults: Defaults,
    *,
    rejected: Callable[[BadRow], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Survey:
    """Check the whole file.

    Args:
        rejected: gets every bad row.
        progress: gets the number of rows read so far.

    Raises:
        PromptFileError: the file cannot be read to its end, or has no row at all.
    """
    rows = jobs = invalid = total = 0
    asked: Counter[Asked] = Counter()
    metadata: dict[str, None] = {}
    problems: list[Problem] = []
    try:
        for row in read_rows(source, defaults):
            if isinstance(row, BadRow):
                invalid += 1
                total += len(row.problems)
                problems += row.problems[: LISTED - len(problems)]
                if rejected is not None:
                    rejected(row)
            else:
                rows += 1
                jobs += row.seeds
                asked[Asked(row.spec.model, row.spec.mode, row.spec.frames)] += row.seeds
                metadata |= dict.fromkeys(row.spec.metadata)
            if progress is not None:
                progress(rows + invalid)
    except UnreadableError as error:
        raise PromptFileError(
            source.name, [*problems[: LISTED - 1], error.problem], total + 1
        ) from error
    if not rows + invalid:
        problem = Problem(None, None, "the file has a header and no row", "add a line a motion")
        raise PromptFileError(source.name, [problem])
    return Survey(rows, jobs, asked, tuple(metadata), tuple(problems), total, invalid)


def _claimed(identities: Identities, raw: RawRow, row: Row) -> Row | BadRow:
    spec = row.spec
    holder = identities.claim(spec.custom_id, spec.seed, row.seeds, row.line)
    if holder is None:
        return row
    message = f"{spec.custom_id!r} with this seed is already the row of line {holder}"
    mend = "give every row its own id or seeds (a row without id is named by its number)"
    return BadRow(raw, (Problem(row.line, "id", message, mend),))
