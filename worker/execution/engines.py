"""The engines of a worker as its packs use them: one that cannot run costs no job an attempt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jobs.domain.pauses import PauseScope
from worker.engine.pool import ModelPool
from worker.engine.protocol import Engine
from worker.engine.warmup import rehearse
from worker.errors import EngineLoadError
from worker.execution.failures import first_line
from worker.execution.probes import Probes
from worker.execution.progress_stamp import LOADING, ProgressStamp


class Engines:
    """Loads engines, and pauses those that do not run until they do.

    Args:
        pool: the engines.
        stamp: loading counts as progress.
        probes: end the pauses.
        try_texts: reads the stored texts of a model; raises what goes wrong.
    """

    def __init__(
        self,
        *,
        pool: ModelPool,
        stamp: ProgressStamp,
        probes: Probes,
        try_texts: Callable[[str], object],
    ) -> None:
        self._pool = pool
        self._stamp = stamp
        self._probes = probes
        self._try_texts = try_texts

    def load(self, model: str, mode: str) -> Engine:
        """The engine, loaded if need be; raises `EngineLoadError`."""
        try:
            with self._stamp.allow(LOADING):
                return self._pool.engine(model, mode)
        except Exception as error:
            raise EngineLoadError(model, mode, first_line(error)) from error

    def give_up(self, model: str, mode: str, reason: str) -> None:
        """Close an engine that failed, and pause it."""
        self._pool.drop(model, mode)
        self.pause(model, mode, reason)

    def pause(self, model: str, mode: str, reason: str) -> None:
        """Claim no jobs of an engine until it can be loaded and run, and its texts be read."""
        probe = partial(self._try, model, mode)
        self._probes.begin(PauseScope.MODEL, f"{model} {mode}", reason, probe)

    def _try(self, model: str, mode: str) -> None:
        self._try_texts(model)
        rehearse(self.load(model, mode))
