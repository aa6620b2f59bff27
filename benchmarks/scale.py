"""The size of a benchmark run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Counts of one run.

    Attributes:
        rows: rows of the submitted prompt file.
        delays: messages of each `.delay()` loop that it is compared with.
        rounds: repetitions of the submit and the loops; the median ratio counts.
        cycles: no-op jobs, and no-op Celery tasks, run by one worker.
        alone: no-op jobs run in packs of one.
        history: number of jobs in the history.
        repeats: repetitions of each query and each process; the best counts, since other load on
            the machine can only slow it down.
    """

    rows: int = 100_000
    delays: int = 10_000
    rounds: int = 3
    cycles: int = 20_000
    alone: int = 2_000
    history: int = 1_000_000
    repeats: int = 5


FULL = Scale()
#: Takes seconds instead of minutes; for testing the benchmarks.
QUICK = Scale(rows=100, delays=50, rounds=1, cycles=64, alone=4, history=4_000, repeats=1)
