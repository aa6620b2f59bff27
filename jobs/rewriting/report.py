"""What became of the prompts of one file that a rewriter was asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class RewriteOutcome(StrEnum):
    """What came of asking about one row.

    `rewritten`: the answer changed its text or its length. `unchanged`: the answer is what the row
    had. `own_length`: the estimated length is out of range, so the row kept its own. `failed`:
    there was no usable answer, and the row stayed as it was. `unasked`: a dry run asks nothing.
    """

    REWRITTEN = "rewritten"
    UNCHANGED = "unchanged"
    OWN_LENGTH = "own_length"
    FAILED = "failed"
    UNASKED = "unasked"


@dataclass(frozen=True)
class RewriteReport:
    """What a submit's rewriting did.

    Attributes:
        asked: how many prompts the service was asked about; the others' answers were kept.
        rows: outcome → rows of the file.
        reasons: why rows kept their own text or length → how many, the most frequent first.
        stopped: the last failure before asking was given up for the rest; None where it was not.
        cache_fault: why answers could not be kept for the next submit; None where they were.
    """

    asked: int
    rows: Mapping[RewriteOutcome, int]
    reasons: Mapping[str, int]
    stopped: str | None = None
    cache_fault: str | None = None
