"""Which worker may take which job, and in words why none does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.domain.catalog import model_entry
from jobs.domain.memory import ENCODE, GIB, class_gib, queue_name


@dataclass(frozen=True)
class TextDemand:
    """What a job whose text is to be encoded asks of a worker.

    Attributes:
        gib: its class, a ladder step in GiB.
        revision: of the text encoder.
    """

    gib: int
    revision: str


@dataclass(frozen=True)
class Demand:
    """What a job asks of a worker.

    Attributes:
        model, mode: what must be loaded.
        gib: the job's class, a ladder step in GiB.
        frames: the motion's length.
        revision: of the weights; empty: any.
        text: what it asks of who encodes its text first; None: nothing.
    """

    model: str
    mode: str
    gib: int
    frames: int
    revision: str = ""
    text: TextDemand | None = None

    @property
    def queue(self) -> str:
        """The queue of the job's class."""
        if self.text is not None:
            return queue_name(ENCODE, self.text.gib)
        return queue_name(self.mode, self.gib)


@dataclass(frozen=True)
class Offer:
    """What a live or declared worker can do.

    Attributes:
        name: of the worker.
        modes, models: what it serves.
        memory_bytes: its budget.
        max_frames: mode → longest motion the card's profile allows; modes not named have no limit.
        revisions: model → mode → revision of the weights it has; models not named: any.
        encoders: model → revision of the text encoder that it encodes with, for others too.
        declared: whether the worker is only planned for: it can do nothing until it is up.
    """

    name: str
    modes: tuple[str, ...]
    models: tuple[str, ...]
    memory_bytes: int
    max_frames: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    encoders: Mapping[str, str] = field(default_factory=dict)
    declared: bool = False

    def has(self, model: str, mode: str, revision: str) -> bool:
        """Whether its weights of a model are these; an empty revision is any."""
        own = self.revisions.get(model)
        return own is None or (mode in own and revision in {"", own[mode]})


def demand(model: str, mode: str, frames: int) -> Demand:
    """The demand of one motion, by the model's memory profile."""
    need = model_entry(model).profiles[mode].need(frames)
    return Demand(model=model, mode=mode, gib=class_gib(need), frames=frames)


def fits(wanted: Demand, offer: Offer) -> bool:
    """Whether `offer` may take a job of this demand."""
    if wanted.text is not None:
        return offer.encoders.get(wanted.model) == wanted.text.revision
    return (
        wanted.mode in offer.modes
        and wanted.model in offer.models
        and offer.has(wanted.model, wanted.mode, wanted.revision)
        and wanted.gib * GIB <= offer.memory_bytes
        and wanted.frames <= offer.max_frames.get(wanted.mode, wanted.frames)
    )


def choose_mode(model: str, frames: int, offers: Iterable[Offer]) -> str:
    """Resolve `auto`: Full where some worker fits it, else Lite."""
    full = demand(model, "full", frames)
    return "full" if any(fits(full, offer) for offer in offers) else "lite"


def misfit(wanted: Demand, offers: Iterable[Offer]) -> str | None:
    """Why no live worker takes the job, in one line; None when one does.

    The line names a declared worker that would, else the first thing that every live worker lacks,
    in the order a person would mend it: any worker, the mode, the memory, the model, the length.
    """
    every = list(offers)
    left = [offer for offer in every if not offer.declared]
    live = {offer.name for offer in left}
    if any(fits(wanted, offer) for offer in left):
        return None
    for offer in every:
        # One that is up under its declared name can do what it says now, not what was planned.
        if offer.name not in live and fits(wanted, offer):
            return f"waits for declared worker {offer.name}, which is not up"
    return _lack(wanted, left)


def _lack(wanted: Demand, left: Sequence[Offer]) -> str:
    if wanted.text is not None:
        return _lack_encoder(wanted.model, wanted.text, left)
    needs = f"needs {wanted.gib} GiB {wanted.mode}"
    if not left:
        return f"no worker fits: {needs}; no worker is live"
    serving = [offer for offer in left if wanted.mode in offer.modes]
    if not serving:
        return f"no worker fits: {needs}; no live worker serves {wanted.mode}"
    largest = max(offer.memory_bytes for offer in serving)
    roomy = [offer for offer in serving if offer.memory_bytes >= wanted.gib * GIB]
    if not roomy:
        return f"no worker fits: {needs}; largest live: {largest / GIB:.3g} GiB"
    knowing = [offer for offer in roomy if wanted.model in offer.models]
    if not knowing:
        return f"no worker fits: {needs}; no live worker has model {wanted.model}"
    return _lack_weights(wanted, needs, knowing)


def _lack_weights(wanted: Demand, needs: str, knowing: Sequence[Offer]) -> str:
    """What is missing where the model is served with memory enough: its weights, or the length."""
    owning = [o for o in knowing if o.has(wanted.model, wanted.mode, wanted.revision)]
    if not owning:
        theirs = {o.revisions[wanted.model].get(wanted.mode, "none") for o in knowing}
        asked = f"{wanted.model} {wanted.mode} {wanted.revision}"
        return f"no worker fits: needs {asked}; live: {', '.join(sorted(theirs))}"
    longest = max(offer.max_frames.get(wanted.mode, 0) for offer in owning)
    return f"no worker fits: {needs}, {wanted.frames} frames; longest live: {longest} frames"


def _lack_encoder(model: str, text: TextDemand, left: Sequence[Offer]) -> str:
    needs = f"its text waits for a worker with {text.gib} GiB that encodes with {text.revision}"
    if not left:
        return f"no worker fits: {needs}; no worker is live"
    theirs = sorted({offer.encoders[model] for offer in left if model in offer.encoders})
    return f"no worker fits: {needs}; live: {', '.join(theirs) or 'none that encodes'}"
