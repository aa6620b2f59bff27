"""Which worker can take a job, and the reason if none can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from jobs.domain.catalog import model_entry
from jobs.domain.memory import ENCODE, GIB, class_gib, queue_name
from jobs.domain.pauses import Pause


@dataclass(frozen=True)
class TextDemand:
    """The requirements for encoding a job's text.

    Attributes:
        gib: the text encoder's memory class, GiB.
        revision: revision of the text encoder.
    """

    gib: int
    revision: str


@dataclass(frozen=True)
class Demand:
    """The requirements of a job on a worker.

    Attributes:
        model, mode: the network to load.
        gib: the job's memory class, GiB.
        frames: length of the motion.
        revision: revision of the weights; empty: any.
        text: requirements for encoding the text, if it must be encoded first; else None.
        urgent: whether its pack should end soon rather than be large.
    """

    model: str
    mode: str
    gib: int
    frames: int
    revision: str = ""
    text: TextDemand | None = None
    urgent: bool = False

    @property
    def queue(self) -> str:
        """The queue of the job's class."""
        if self.text is not None:
            return queue_name(ENCODE, self.text.gib)
        return queue_name(self.mode, self.gib)


@dataclass(frozen=True)
class Offer:
    """The capabilities of a live or declared worker.

    Attributes:
        name: the worker's name.
        modes, models: the modes and models it serves.
        memory_bytes: its memory budget.
        max_frames: mode → longest motion the card's profile allows; modes not listed: no limit.
        revisions: model → mode → revision of the weights it has; models not listed: any.
        encoders: model → revision of the text encoder with which it encodes texts, including those
            of jobs that another worker samples.
        declared: whether the worker is only planned and has not started.
        pauses: what it does not take for now. Pauses end by themselves, so `fits` ignores them.
    """

    name: str
    modes: tuple[str, ...]
    models: tuple[str, ...]
    memory_bytes: int
    max_frames: Mapping[str, int] = field(default_factory=dict)
    revisions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    encoders: Mapping[str, str] = field(default_factory=dict)
    declared: bool = False
    pauses: tuple[Pause, ...] = ()

    def has(self, model: str, mode: str, revision: str) -> bool:
        """Whether it has these weights of a model; an empty revision matches any."""
        own = self.revisions.get(model)
        return own is None or (mode in own and revision in {"", own[mode]})


@dataclass(frozen=True)
class Reach:
    """What a worker can claim at this moment, within its offer.

    Attributes:
        hidden: ids of batches whose folder it cannot write to.
        newest: id of the newest batch whose folder it has looked at; None: no folder is checked.
        without: (model, mode) of engines that cannot be loaded.
    """

    hidden: frozenset[int] = frozenset()
    newest: int | None = None
    without: frozenset[tuple[str, str]] = frozenset()


EVERYTHING = Reach()


def demand(model: str, mode: str, frames: int) -> Demand:
    """The demand of one motion, from the model's memory profile."""
    need = model_entry(model).profiles[mode].need(frames)
    return Demand(model=model, mode=mode, gib=class_gib(need), frames=frames)


def fits(wanted: Demand, offer: Offer) -> bool:
    """Whether a worker with this offer can take a job with this demand."""
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
    """Resolve `auto`: full if it fits on any worker, else lite."""
    full = demand(model, "full", frames)
    return "full" if any(fits(full, offer) for offer in offers) else "lite"


def misfit(wanted: Demand, offers: Iterable[Offer]) -> str | None:
    """Why no live worker can take the job, in one line; None if one can.

    The line names a declared worker that could, else the first requirement that no live worker
    meets, in this order: a worker at all, the mode, the memory, the model, its weights, the length.
    """
    every = list(offers)
    live = [offer for offer in every if not offer.declared]
    names = {offer.name for offer in live}
    if any(fits(wanted, offer) for offer in live):
        return None
    for offer in every:
        # Once a declared worker is up, its actual offer replaces its declaration.
        if offer.name not in names and fits(wanted, offer):
            return f"waits for declared worker {offer.name}, which is not up"
    return _lack(wanted, live)


def _lack(wanted: Demand, live: Sequence[Offer]) -> str:
    if wanted.text is not None:
        return _lack_encoder(wanted.model, wanted.text, live)
    needs = f"needs {wanted.gib} GiB {wanted.mode}"
    if not live:
        return f"no worker fits: {needs}; no worker is live"
    serving = [offer for offer in live if wanted.mode in offer.modes]
    if not serving:
        return f"no worker fits: {needs}; no live worker serves {wanted.mode}"
    largest = max(offer.memory_bytes for offer in serving)
    large = [offer for offer in serving if offer.memory_bytes >= wanted.gib * GIB]
    if not large:
        return f"no worker fits: {needs}; largest live: {largest / GIB:.3g} GiB"
    having = [offer for offer in large if wanted.model in offer.models]
    if not having:
        return f"no worker fits: {needs}; no live worker has model {wanted.model}"
    return _lack_weights(wanted, needs, having)


def _lack_weights(wanted: Demand, needs: str, having: Sequence[Offer]) -> str:
    """The misfit if workers with enough memory serve the model: its weights, or the length."""
    matching = [o for o in having if o.has(wanted.model, wanted.mode, wanted.revision)]
    if not matching:
        theirs = {o.revisions[wanted.model].get(wanted.mode, "none") for o in having}
        asked = f"{wanted.model} {wanted.mode} {wanted.revision}"
        return f"no worker fits: needs {asked}; live: {', '.join(sorted(theirs))}"
    longest = max(offer.max_frames.get(wanted.mode, 0) for offer in matching)
    return f"no worker fits: {needs}, {wanted.frames} frames; longest live: {longest} frames"


def _lack_encoder(model: str, text: TextDemand, live: Sequence[Offer]) -> str:
    needs = f"its text waits for a worker with {text.gib} GiB that encodes with {text.revision}"
    if not live:
        return f"no worker fits: {needs}; no worker is live"
    theirs = sorted({offer.encoders[model] for offer in live if model in offer.encoders})
    return f"no worker fits: {needs}; live: {', '.join(theirs) or 'none that encodes'}"
