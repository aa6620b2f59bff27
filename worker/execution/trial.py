"""A trial: a tiny run of a worker's own, from sampling to its files."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.artifacts.atomic import atomic
from jobs.domain.attempts import Claim
from worker.engine.pool import ModelPool
from worker.engine.warmup import rehearsal, rehearse
from worker.execution.save import save


def run_trial(pool: ModelPool, claim: Claim, *, home: Path) -> None:
    """Sample one short motion and write its files to a temporary folder of the home.

    Args:
        pool: loads the engine.
        claim: the job whose model, mode and formats are tried.
        home: a folder that the worker can write to.

    Raises:
        Exception: whatever a job would fail with here.
    """
    engine = pool.engine(claim.model, claim.mode)
    with TemporaryDirectory(prefix="probe-", dir=home, ignore_cleanup_errors=True) as folder:
        with atomic(Path(folder) / "probe.txt") as part, part.open("x") as file:
            file.write("written by a worker that tests itself\n")
            file.flush()
            os.fsync(file.fileno())
        own = replace(rehearsal(engine), output=folder, formats=claim.formats)
        for motion in rehearse(engine):
            save(own, motion, engine.write)
