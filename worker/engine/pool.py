"""The garage: what a worker has in device memory, and what makes room for what."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from worker.engine.protocol import Engine

log = logging.getLogger(__name__)

T = TypeVar("T")


class Encoder(Protocol):
    """A text encoder on the device: `hymotion.text.official.OfficialEncoder`."""

    def encode(
        self, prompts: Sequence[str], *, on_batch: Callable[[int, int], None] | None = None
    ) -> Sequence[Any]:
        """One conditioning a prompt."""

    def close(self, *, give_back: bool = True) -> None:
        """Free the device memory."""


@dataclass(frozen=True)
class Slot(Generic[T]):
    """A place for something that can be loaded again whenever it had to make room.

    Attributes:
        load: loads it.
        weights: bytes that it takes of the device while nothing runs.
        surplus: how many of these are not in the memory profile that packs are measured by.
    """

    load: Callable[[], T]
    weights: int = 0
    surplus: int = 0


class ModelPool:
    """Loads engines and encoders when they are wanted, and closes what must make room.

    There are two ways for each kind, chosen once: to stay together with everything else, or to be
    there alone. Nothing is loaded before it is asked for.

    Args:
        engines: (model, mode) → where its engine goes; may be filled afterwards.
        encoders: model → where its text encoder goes; a model without one has its own. As above.
        budget: bytes of the device.
        together: whether the engines stay beside each other.
        resident: whether the encoders stay beside the engines.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        engines: Mapping[tuple[str, str], Slot[Engine]],
        encoders: Mapping[str, Slot[Encoder]] | None = None,
        budget: int,
        together: bool = True,
        resident: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._stalls = engines
        self._rooms = {} if encoders is None else encoders
        self._budget = budget
        self._together = together
        self._resident = resident
        self._clock = clock
        self._engines: dict[tuple[str, str], Engine] = {}
        self._encoders: dict[str, Encoder] = {}
        self._owed: dict[tuple[str, str], LoadCost] = {}
        self._encoding: dict[str, LoadCost] = {}

    @property
    def encoding(self) -> Sequence[str]:
        """The models whose encoders stay in memory, loaded or not."""
        return list(self._rooms) if self._resident else []

    @property
    def served(self) -> Sequence[tuple[str, str]]:
        """(model, mode) of every engine, loaded or not."""
        return list(self._stalls)

    def engine(self, model: str, mode: str) -> Engine:
        """The engine for a pack, loaded if need be."""
        key = (model, mode)
        if key not in self._engines:
            self._make_room(for_encoder=False)
            start = self._clock()
            self._engines[key] = self._stalls[key].load()
            taken = LoadCost(self._clock() - start, 1)
            self._owed[key] = self._owed.get(key, LoadCost()) + taken
            log.info("%s %s loaded in %.1f s", model, mode, taken.seconds)
        return self._engines[key]

    def encoder(self, model: str) -> Encoder:
        """The text encoder of a model, loaded if need be."""
        if model not in self._encoders:
            self._make_room(for_encoder=True)
            start = self._clock()
            self._encoders[model] = self._rooms[model].load()
            taken = LoadCost(self._clock() - start, 1)
            self._encoding[model] = self._encoding.get(model, LoadCost()) + taken
            log.info("text encoder of %s loaded in %.1f s", model, taken.seconds)
        return self._encoders[model]

    def owed(self, model: str, mode: str) -> LoadCost:
        """Loading of an engine not yet booked, which the first pack that uses it carries, and that
        of an encoder that stays beside it."""
        own = self._owed.pop((model, mode), LoadCost())
        return own + self.owed_encoding(model) if self._resident else own

    def owed_encoding(self, model: str) -> LoadCost:
        """The same of a text encoder."""
        return self._encoding.pop(model, LoadCost())

    def room(self, model: str, mode: str) -> int:
        """Bytes that packs of an engine may take in all, its own weights among them as far as they
        are in its memory profile."""
        others = self._stalls[model, mode].surplus
        if self._together:
            others += sum(stall.weights for key, stall in self._stalls.items())
            others -= self._stalls[model, mode].weights
        if self._resident:
            others += sum(stall.weights for stall in self._rooms.values())
        return self._budget - others

    def close(self) -> None:
        """Close everything."""
        for engine in self._engines.values():
            engine.close()
        for encoder in self._encoders.values():
            encoder.close()
        self._engines.clear()
        self._encoders.clear()

    def _make_room(self, *, for_encoder: bool) -> None:
        if not self._resident:
            for encoder in self._encoders.values():
                # It was reserved for this process at the start, and others may want it.
                encoder.close(give_back=False)
            self._encoders.clear()
        if not self._together or (for_encoder and not self._resident):
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()


@dataclass(frozen=True)
class LoadCost:
    """Seconds of loading, and how many models were loaded in them."""

    seconds: float = 0.0
    loads: int = 0

    def __add__(self, other: LoadCost) -> LoadCost:
        return LoadCost(self.seconds + other.seconds, self.loads + other.loads)
