"""Detects a batch whose remaining jobs no known worker can run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from jobs.domain.batches import Batch
from jobs.domain.routing import Demand, Offer, misfit
from jobs.domain.states import State
from jobs.store.store import Store
from worker.errors import StuckError

#: Seconds between two checks.
EVERY = 2.0
#: How to fix jobs that no worker samples, and jobs whose text no worker encodes.
WEIGHTS = (
    "import the weights and the encoder that they need again, or submit the file under another "
    "--batch to use the installed ones"
)
TAKEN = "--models, --serve and --memory choose the jobs that this machine's workers take"
TEXTS = (
    "to encode texts, a worker needs an installed encoder (`hymo models import --qwen DIR --clip "
    "DIR --upstream DIR`) that fits, see --text-plan and --memory; texts encoded with another "
    "--quantise do not count: `hymo cancel` and `hymo retry` start such jobs again"
)


class StuckCheck:
    """Checks every few seconds whether a batch can make progress.

    Args:
        store: the database.
        batch: the batch to check.
        offers: the offers of this process's workers, started or not.
        alive: seconds after its last heartbeat during which another worker counts as live.
    """

    def __init__(
        self, *, store: Store, batch: Batch, offers: Sequence[Offer], alive: float
    ) -> None:
        self._store = store
        self._batch = batch
        self._offers = offers
        self._alive = alive
        self._checked = float("-inf")

    def offers(self) -> list[Offer]:
        """The offers of this process's workers, and of live and declared ones."""
        return [*self._offers, *self._store.workers.offers(alive=self._alive)]

    def check(self) -> None:
        """Raise `StuckError` if no job of the batch is running and no worker can run the rest.

        While the home is full workers cannot report, so that none looks live: this is no reason,
        but an outage (`UnreachableError`).
        """
        if time.monotonic() - self._checked < EVERY:
            return
        self._checked = time.monotonic()
        self._store.require_room()
        name = self._batch.name
        if self._store.batches.counts(self._batch.id).get(State.RUNNING):
            return
        left = self._store.backlog.left(self._batch.id)
        if not left:
            return
        if self._store.batches.get(name).paused:
            mend = f"`hymo resume {name}`, then run the same file again"
            raise StuckError(name, sum(left.values()), ("it is paused",), mend)
        offers = self.offers()
        reasons = {wanted: misfit(wanted, offers) for wanted in left}
        why = tuple(dict.fromkeys(reason for reason in reasons.values() if reason is not None))
        if None not in reasons.values():
            raise StuckError(name, sum(left.values()), why, _mend(left, offers))


def _mend(left: Iterable[Demand], offers: Sequence[Offer]) -> str:
    """How to fix jobs that no worker takes."""
    if any(wanted.text is not None for wanted in left):
        return TEXTS
    known = {model for offer in offers for model in offer.models}
    replaced = any(
        wanted.model in known
        and not any(o.has(wanted.model, wanted.mode, wanted.revision) for o in offers)
        for wanted in left
    )
    return WEIGHTS if replaced else TAKEN
