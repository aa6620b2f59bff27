"""The queue: everything that changes a job's state, gathered under one name."""

from __future__ import annotations

from jobs.store.claims import ClaimStore
from jobs.store.leases import LeaseStore
from jobs.store.outcomes import OutcomeStore
from jobs.store.requests import RequestStore
from jobs.store.texts import TextStore


class QueueStore(ClaimStore, LeaseStore, OutcomeStore, RequestStore, TextStore):
    """Claims, texts, leases, outcomes and people's requests, over one engine."""
