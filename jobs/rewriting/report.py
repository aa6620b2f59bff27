"""The outcome of rewriting one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RewriteOutcome(StrEnum):
    """The outcome of rewriting one row.

    `rewritten`: the answer changed the prompt or the length. `unchanged`: the answer is the same as
    the row. `own_length`: the estimated length is out of range, so the row kept its own. `failed`:
    there was no usable answer, so the row is unchanged. `unasked`: a dry run sends no requests.
    """

    REWRITTEN = "rewritten"
    UNCHANGED = "unchanged"
    OWN_LENGTH = "own_length"
    FAILED = "failed"
    UNASKED = "unasked"


@dataclass(frozen=True)
class RewriteReport:
    """The result of rewriting a file.

    Attributes:
        asked: number of prompts sent to the service; the other answers were cached.
        rows: outcome → number of rows.
        reasons: reason why rows kept their own prompt or length → number of rows, most first.
        stopped: the failure that stopped further requests; None if they were not stopped.
        cache_fault: why answers could not be cached; None if they were.
    """

    asked: int
    rows: Mapping[RewriteOutcome, int]
    reasons: Mapping[str, int]
    stopped: str | None = None
    cache_fault: str | None = None
