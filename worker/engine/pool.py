"""The models in a worker's device memory: loads them on demand, unloads them for others."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from worker.engine.protocol import Engine

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


class Encoder(Protocol):
    """A text encoder on the device: `hymotion.text.official.OfficialEncoder`."""

    def encode(
        self, prompts: Sequence[str], *, on_batch: Callable[[int, int], None] | None = None
    ) -> Sequence[Any]:
        """One conditioning per prompt."""

    def close(self, *, give_back: bool = True) -> None:
        """Free the device memory."""


@dataclass(frozen=True)
class LoadCost:
    """The seconds spent loading, and the number of models loaded."""

    seconds: float = 0.0
    loads: int = 0

    def __add__(self, other: LoadCost) -> LoadCost:
        return LoadCost(self.seconds + other.seconds, self.loads + other.loads)


class ModelPool:
    """Loads engines and encoders on demand, and closes others that do not fit beside them.

    Args:
        engines: (model, mode) → loads its engine; may be filled afterwards.
        encoders: model → loads its text encoder, for models with a separate encoder; may be
            filled afterwards.
        room: (model, mode) → bytes that its packs may take.
        together: whether all engines stay in memory; else one at a time.
        resident: whether the encoders stay in memory beside the engines; else one or the other.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        engines: Mapping[tuple[str, str], Callable[[], Engine]],
        encoders: Mapping[str, Callable[[], Encoder]] | None = None,
        room: Mapping[tuple[str, str], int],
        together: bool = True,
        resident: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._engine_loaders = engines
        self._encoder_loaders = {} if encoders is None else encoders
        self._room = room
        self._together = together
        self._resident = resident
        self._clock = clock
        self._engines: dict[tuple[str, str], Engine] = {}
        self._encoders: dict[str, Encoder] = {}
        self._load_costs: dict[str | tuple[str, str], LoadCost] = {}

    @property
    def encoding(self) -> Sequence[str]:
        """The models whose encoders stay in memory, loaded or not."""
        return list(self._encoder_loaders) if self._resident else []

    @property
    def served(self) -> Sequence[tuple[str, str]]:
        """(model, mode) of every engine, loaded or not."""
        return list(self._engine_loaders)

    def engine(self, model: str, mode: str) -> Engine:
        """The engine for a pack, loaded if need be."""
        key = (model, mode)
        if key not in self._engines:
            self._make_room(for_encoder=False)
            self._engines[key] = self._load(key, f"{model} {mode}", self._engine_loaders[key])
        return self._engines[key]

    def loaded(self, model: str, mode: str) -> Engine | None:
        """The engine for a pack if it is in memory."""
        return self._engines.get((model, mode))

    def encoder(self, model: str) -> Encoder:
        """The text encoder of a model, loaded if need be."""
        if model not in self._encoders:
            self._make_room(for_encoder=True)
            load = self._encoder_loaders[model]
            self._encoders[model] = self._load(model, f"text encoder of {model}", load)
        return self._encoders[model]

    def take_load_cost(self, model: str, mode: str) -> LoadCost:
        """The cost of loading an engine, and its encoder if that is resident.

        Each cost is returned once, so that it is booked on the first pack that uses the model.
        """
        own = self._load_costs.pop((model, mode), LoadCost())
        return own + self.take_encoder_load_cost(model) if self._resident else own

    def add_load_cost(self, model: str, mode: str, cost: LoadCost) -> None:
        """Return a cost that no job could book."""
        self._load_costs[model, mode] = self._load_costs.get((model, mode), LoadCost()) + cost

    def take_encoder_load_cost(self, model: str) -> LoadCost:
        """The cost of loading a text encoder; returned once."""
        return self._load_costs.pop(model, LoadCost())

    def room(self, model: str, mode: str) -> int:
        """Bytes for packs of an engine, including those weights that its memory profile counts."""
        return self._room[model, mode]

    def drop(self, model: str, mode: str) -> None:
        """Close an engine, so that it is loaded anew when it is next asked for."""
        engine = self._engines.pop((model, mode), None)
        if engine is not None:
            engine.close()

    def close(self) -> None:
        """Close everything."""
        for engine in self._engines.values():
            engine.close()
        for encoder in self._encoders.values():
            encoder.close()
        self._engines.clear()
        self._encoders.clear()

    def _load(self, key: str | tuple[str, str], name: str, load: Callable[[], Loaded]) -> Loaded:
        start = self._clock()
        loaded = load()
        cost = LoadCost(self._clock() - start, 1)
        self._load_costs[key] = self._load_costs.get(key, LoadCost()) + cost
        log.info("%s loaded in %.1f s", name, cost.seconds)
        return loaded

    def _make_room(self, *, for_encoder: bool) -> None:
        if not self._resident:
            for encoder in self._encoders.values():
                # Keep the memory: it was reserved at the start, and other processes might take it.
                encoder.close(give_back=False)
            self._encoders.clear()
        if not self._together or (for_encoder and not self._resident):
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()
