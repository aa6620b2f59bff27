"""Workers and cards as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.documents.job import picked
from jobs.domain.clock import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.domain.cards import CardProfile
    from jobs.domain.workers import WorkerRow
    from jobs.store.history.stats import StatsGroup


def worker_document(row: WorkerRow) -> dict[str, Any]:
    """A worker of `hymo.workers/1` (docs/json.md)."""
    card, offer = row.registration, row.registration.offer
    return {
        "id": row.id,
        "name": offer.name,
        **picked(row, "state alive"),
        **picked(card, "host pid device card"),
        "modes": list(offer.modes),
        "models": list(offer.models),
        "memory_bytes": offer.memory_bytes,
        "max_frames": dict(offer.max_frames),
        "revisions": {model: dict(each) for model, each in offer.revisions.items()},
        "encoders": dict(offer.encoders),
        **picked(card, "dtype nvlink"),
        "queues": list(card.queues),
        "tags": dict(card.tags),
        "pauses": [{**each.as_json(), "since": iso(each.since)} for each in offer.pauses],
        "started_at": iso(row.started_at),
        "seen_at": iso(row.seen_at),
        "stopped_at": iso(row.stopped_at),
        "running": row.running,
    }


def card_document(card: CardProfile, measured: Sequence[StatsGroup]) -> dict[str, Any]:
    """A card of `hymo.cards/1` (docs/json.md)."""
    from dataclasses import asdict

    return {
        **asdict(card),
        "bandwidth_class": card.bandwidth_class,
        "measured": [
            {
                **picked(each, "card mode count"),
                "success_rate": each.success,
                "latency_s": _mean(each, "total"),
                "peak_memory_bytes": _mean(each, "peak_memory"),
            }
            for each in measured
        ],
    }


def _mean(group: StatsGroup, measure: str) -> float | None:
    spread = group.measures.get(measure)
    return None if spread is None else spread.mean
