"""A batch as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.documents.stats import stats_document
from jobs.domain.batches import Batch
from jobs.domain.clock import iso
from jobs.domain.states import State
from jobs.store.history.stats import AttemptFilter
from jobs.store.store import Store


def batch_document(store: Store, batch: Batch) -> dict[str, Any]:
    """A batch of `hymo.show/1` (docs/json.md)."""
    counts = store.batches.counts(batch.id)
    groups = store.stats.groups(AttemptFilter(batch_id=batch.id), encoding=True)
    return {
        "name": batch.name,
        "source": batch.source,
        "output": str(Path(batch.output) / batch.name),
        "paused": batch.paused,
        "created_at": iso(batch.created_at),
        "counts": {state.value: counts.get(state, 0) for state in State},
        "groups": [stats_document(each) for each in groups],
    }
