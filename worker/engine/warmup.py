"""Warming up: one short motion on every engine before the first pack."""

from __future__ import annotations

import logging
import time

from jobs.domain.attempts import Claim
from jobs.domain.catalog import model_entry
from jobs.domain.spec import MIN_FRAMES
from worker.engine.pool import ModelPool
from worker.engine.protocol import Engine
from worker.errors import BrokenError, NotFiniteError

log = logging.getLogger(__name__)

PROMPT = "a person stands"


def warm_up(pool: ModelPool) -> None:
    """Run one short motion on every engine, encode a text with every encoder that stays in memory,
    and log the time and the memory that it took.

    One step from a text that may be zeros makes no real motion. Numbers that cannot be used are
    therefore logged and do not end the worker: a job that meets them fails alone.
    """
    for model in pool.encoding:
        pool.encoder(model).encode([PROMPT])
    for model, mode in pool.served:
        engine = pool.engine(model, mode)
        start = time.perf_counter()
        engine.start_measuring()
        try:
            sampled = engine.sample([_claim(engine)], [engine.blank()], _on_step)
            motions = engine.decode(sampled.latents)
            engine.measure(motions)
            engine.features(motions)
        except (BrokenError, NotFiniteError) as error:
            log.warning(
                "%s %s warmed up with numbers that cannot be used, and takes jobs all the same: %s",
                engine.model, engine.mode, error,
            )  # fmt: skip
        log.info(
            "%s %s warmed up in %.2f s, peak %.2f GiB",
            engine.model, engine.mode, time.perf_counter() - start, engine.peak_memory() / 2**30,
        )  # fmt: skip


def _on_step(step: int, total: int) -> None:
    """Does nothing: no lease depends on this pack."""


def _claim(engine: Engine) -> Claim:
    return Claim(
        job_id=0, attempt=0, worker_id=0, batch="", output="", custom_id="warm-up",
        prompt=PROMPT, frames=MIN_FRAMES, seed=0, mode=engine.mode, steps=1,
        guidance=model_entry(engine.model).guidance, formats=(), model=engine.model, revision="",
        gib=1, queue_s=0.0,
    )  # fmt: skip
