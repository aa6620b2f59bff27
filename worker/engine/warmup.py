"""Warming up: one short motion on every engine before the first pack."""

from __future__ import annotations

import logging
import time
from typing import Any

from jobs.domain.attempts import Claim
from jobs.domain.catalog import model_entry
from jobs.domain.spec import MIN_FRAMES
from worker.engine.pool import ModelPool
from worker.engine.protocol import Engine
from worker.errors import NotFiniteError, SamplingError

log = logging.getLogger(__name__)

PROMPT = "a person stands"


def warm_up(pool: ModelPool) -> dict[tuple[str, str], Exception]:
    """Sample one short motion on every engine and encode one text with every resident encoder.

    Returns:
        (model, mode) → why it cannot run now, for engines that failed while another one runs.

    Raises:
        Exception: no engine runs, or an encoder that must stay in memory does not.
    """
    for model in pool.encoding:
        pool.encoder(model).encode([PROMPT])
    failed: dict[tuple[str, str], Exception] = {}
    for model, mode in pool.served:
        try:
            _warm_up(pool.engine(model, mode))
        except Exception as error:
            failed[model, mode] = error
            if len(failed) == len(pool.served):
                raise
            log.exception("%s %s cannot run", model, mode)
    return failed


def rehearse(engine: Engine) -> list[Any]:
    """Sample, decode and measure one short motion.

    One solver step, possibly from a text of zeros, gives no real motion. Non-finite numbers are
    therefore only logged: jobs may still succeed, and a job that does not fails alone.

    Returns:
        The motion, if its numbers can be used.
    """
    try:
        sampled = engine.sample([rehearsal(engine)], [engine.blank()], _on_step)
        motions = engine.decode(sampled.latents)
        engine.measure(motions)
    except (SamplingError, NotFiniteError) as error:
        log.warning(
            "%s %s: the warm-up gave unusable numbers; taking jobs anyway: %s",
            engine.model, engine.mode, error,
        )  # fmt: skip
        return []
    return motions


def _warm_up(engine: Engine) -> None:
    start = time.perf_counter()
    engine.start_measuring()
    rehearse(engine)
    log.info(
        "%s %s warmed up in %.2f s, peak %.2f GiB",
        engine.model, engine.mode, time.perf_counter() - start, engine.peak_memory() / 2**30,
    )  # fmt: skip


def _on_step(step: int, total: int) -> None:
    """Do nothing: no lease depends on this pack."""


def rehearsal(engine: Engine) -> Claim:
    """The claim of a run that belongs to no job."""
    return Claim(
        job_id=0, attempt=0, worker_id=0, batch_id=0, batch="warm-up", output="",
        custom_id="warm-up", prompt=PROMPT, frames=MIN_FRAMES, seed=0, mode=engine.mode, steps=1,
        guidance=model_entry(engine.model).guidance, priority=0, formats=(), model=engine.model,
        revision="", gib=1, queue_s=0.0,
    )  # fmt: skip
