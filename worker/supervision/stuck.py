"""Whether what is left of a batch will ever be done by those who are there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from jobs.domain.batches import Batch
from jobs.domain.routing import Demand, Offer, misfit
from jobs.domain.states import State
from jobs.store.store import Store
from worker.errors import StuckError

#: Seconds between two looks.
EVERY = 2.0
#: Mends: of jobs that no worker samples, and of those whose text nobody encodes.
WEIGHTS = (
    "import the weights and the encoder that they ask for again, or submit the file under another "
    "--batch to have it made with what is there"
)
TAKEN = "--models, --serve and --memory say what this machine's workers take"
TEXTS = (
    "a worker encodes texts where the encoder is installed (`hymo models import --qwen DIR --clip "
    "DIR --upstream DIR`) and fits, see --text-plan and --memory; what was encoded with another "
    "--quantise does not count: `hymo cancel` and `hymo retry` let jobs begin anew"
)


class StuckCheck:
    """Looks now and then whether a batch can go on.

    Args:
        store: the database.
        batch: that somebody waits for.
        offers: of workers of our own, whether or not they are up yet.
        alive: seconds within which another live worker must have been seen.
    """

    def __init__(
        self, *, store: Store, batch: Batch, offers: Sequence[Offer], alive: float
    ) -> None:
        self._store = store
        self._batch = batch
        self._offers = offers
        self._alive = alive
        self._looked = float("-inf")

    def offers(self) -> list[Offer]:
        """Ours and those of live and declared workers."""
        return [*self._offers, *self._store.workers.offers(alive=self._alive)]

    def look(self) -> None:
        """Raise `StuckError` if nothing of the batch runs and nothing that is left will."""
        if time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
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
    """What helps jobs that nobody takes."""
    if any(wanted.text is not None for wanted in left):
        return TEXTS
    known = {model for offer in offers for model in offer.models}
    replaced = any(
        wanted.model in known
        and not any(o.has(wanted.model, wanted.mode, wanted.revision) for o in offers)
        for wanted in left
    )
    return WEIGHTS if replaced else TAKEN
