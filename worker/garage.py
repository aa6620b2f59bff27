"""The engines that a worker has loaded, by model and mode."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from worker.engine import Engine, MotionEngine, NullEngine


class Garage:
    """Loads engines and hands them out with the seconds that loading took.

    Args:
        engines: (model, mode) → engine.
        seconds: (model, mode) → how long loading it took.
    """

    def __init__(
        self,
        *,
        engines: Mapping[tuple[str, str], Engine],
        seconds: Mapping[tuple[str, str], float],
    ) -> None:
        self._engines = dict(engines)
        self._owed = dict(seconds)

    @property
    def engines(self) -> Sequence[Engine]:
        """Every engine."""
        return list(self._engines.values())

    def engine(self, model: str, mode: str) -> Engine:
        """The engine for a pack."""
        return self._engines[model, mode]

    def owed(self, model: str, mode: str) -> float:
        """Seconds of loading not yet booked; the first pack that uses an engine carries them."""
        return self._owed.pop((model, mode), 0.0)


def load_garage(
    models: Sequence[str], modes: Sequence[str], *, device: str, threads: int, null_step: float
) -> Garage:
    """Load every model in every mode.

    Raises:
        RevisionError: a model's revision is not the catalog's.
    """
    engines: dict[tuple[str, str], Engine] = {}
    seconds: dict[tuple[str, str], float] = {}
    for model in models:
        for mode in modes:
            start = time.perf_counter()
            engines[model, mode] = (
                NullEngine(mode=mode, step_seconds=null_step)
                if model == NullEngine.model
                else _motion(model, mode, device=device, threads=threads)
            )
            seconds[model, mode] = time.perf_counter() - start
    return Garage(engines=engines, seconds=seconds)


def _motion(model: str, mode: str, *, device: str, threads: int) -> Engine:
    import torch

    torch.set_num_threads(threads)
    return MotionEngine(model=model, mode=mode, device=device)
