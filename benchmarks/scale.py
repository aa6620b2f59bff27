"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Counts of one run.

    Attributes:
        rows: of the prompt file that is submitted.
        delays: messages of each `.delay()` loop it is compared with.
        rounds: how often the submit and the loops are repeated; the median ratio counts.
        cycles: no-op jobs, and no-op Celery tasks, run by one worker.
        alone: no-op jobs run one a pack.
        history: jobs in the table that history pages through.
        repeats: how often each query and each process is timed; the best counts, since whatever
            else the machine does can only add.
    """

    rows: int = 100_000
    delays: int = 10_000
    rounds: int = 3
    cycles: int = 20_000
    alone: int = 2_000
    history: int = 1_000_000
    repeats: int = 5


FULL = Scale()
#: Seconds instead of minutes: shows that everything works, not how fast it is.
QUICK = Scale(rows=100, delays=50, rounds=1, cycles=64, alone=4, history=4_000, repeats=1)
