"""The models that a worker has in device memory, and which of them is unloaded for another."""

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
        """One conditioning a prompt."""

    def close(self, *, give_back: bool = True) -> None:
        """Free the device memory."""


@dataclass(frozen=True)
class LoadCost:
    """Seconds of loading, and how many models were loaded in them."""

    seconds: float = 0.0
    loads: int = 0

    def __add__(self, other: LoadCost) -> LoadCost:
        return LoadCost(self.seconds + other.seconds, self.loads + other.loads)


class ModelPool:
    """Loads engines and encoders when they are wanted, and closes those that must make room.

    Engines either all stay in memory or take turns; so do encoders and engines. Nothing is loaded
    before it is asked for.

    Args:
        engines: (model, mode) → loads its engine; may be filled afterwards.
        encoders: model → loads its text encoder, of models whose encoder is apart. As above.
        room: (model, mode) → bytes that its packs may take.
        together: whether the engines stay beside each other.
        resident: whether the encoders stay beside the engines.
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
        self._owed: dict[str | tuple[str, str], LoadCost] = {}

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

    def encoder(self, model: str) -> Encoder:
        """The text encoder of a model, loaded if need be."""
        if model not in self._encoders:
            self._make_room(for_encoder=True)
            load = self._encoder_loaders[model]
            self._encoders[model] = self._load(model, f"text encoder of {model}", load)
        return self._encoders[model]

    def owed(self, model: str, mode: str) -> LoadCost:
        """What loading an engine cost, and an encoder that stays beside it; each is told once, and
        the first pack that uses them is charged with it."""
        own = self._owed.pop((model, mode), LoadCost())
        return own + self.owed_encoding(model) if self._resident else own

    def owed_encoding(self, model: str) -> LoadCost:
        """What loading a text encoder cost; told once."""
        return self._owed.pop(model, LoadCost())

    def room(self, model: str, mode: str) -> int:
        """Bytes that packs of an engine may take, with its own weights as far as its memory
        profile counts them."""
        return self._room[model, mode]

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
        self._owed[key] = self._owed.get(key, LoadCost()) + cost
        log.info("%s loaded in %.1f s", name, cost.seconds)
        return loaded

    def _make_room(self, *, for_encoder: bool) -> None:
        if not self._resident:
            for encoder in self._encoders.values():
                # The memory was reserved for this process at the start; others may want it.
                encoder.close(give_back=False)
            self._encoders.clear()
        if not self._together or (for_encoder and not self._resident):
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()
