"""The offers in the rows of workers, and the states of those rows."""

from __future__ import annotations

from jobs.domain.pauses import pauses_of
from jobs.domain.routing import Offer
from jobs.store.base import Found, record

DECLARED = "declared"
LIVE = "live"
DRAINING = "draining"
STOPPED = "stopped"


def to_offer(row: Found) -> Offer:
    """The offer of a worker's row."""
    return record(
        Offer,
        row,
        modes=tuple(row.modes),
        models=tuple(row.models),
        revisions=row.revisions or {},
        encoders=row.encoders or {},
        declared=row.state == DECLARED,
        pauses=pauses_of(row.pauses),
    )
