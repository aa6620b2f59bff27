"""Whether the workers that there are will ever do what is left of a batch."""

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
#: What to do about jobs that no worker samples, and about those whose text none encodes.
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
    """Looks every few seconds whether a batch can go on.

    Args:
        store: the database.
        batch: the one that is waited for.
        offers: of the workers of this process, started or not.
        alive: seconds since another worker was seen within which it counts as live.
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
        """Those of this process, and those of live and declared workers."""
        return [*self._offers, *self._store.workers.offers(alive=self._alive)]

    def look(self) -> None:
        """Raise `StuckError` if no job of the batch runs and none that is left will ever run."""
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
    """What to do about jobs that no worker takes."""
    if any(wanted.text is not None for wanted in left):
        return TEXTS
    known = {model for offer in offers for model in offer.models}
    replaced = any(
        wanted.model in known
        and not any(o.has(wanted.model, wanted.mode, wanted.revision) for o in offers)
        for wanted in left
    )
    return WEIGHTS if replaced else TAKEN
