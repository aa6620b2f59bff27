"""`python -m benchmarks.campaign`: a night of jobs under faults, and whether it kept its promises.

Real workers, a real broker and a real database on this machine run jobs while faults are planted.
A log that triggers write in the database then shows what happened to each job. One line of JSON has
the figures; the exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from benchmarks.fleet import Fleet
from benchmarks.ground import DATABASES, Ground
from benchmarks.machine import machine
from benchmarks.planting import Planter, mount, needs_mount, unmount
from benchmarks.recoveries import explain
from benchmarks.triggerlog import History, install
from jobs.store.engine import connect

FAULTS = (
    "kill", "stop", "broker", "flush", "database-away", "disk-full", "read-only", "clock", "forge",
)  # fmt: skip
#: Seconds between two looks at the queue.
LOOK = 0.1
#: Number of broken promises that are printed.
SHOWN = 20


@click.command()
@click.option("--jobs", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=4, show_default=True)
@click.option(
    "--kills",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Workers killed, spread over the jobs.",
)
@click.option("--database", type=click.Choice(DATABASES), default="sqlite", show_default=True)
@click.option(
    "--faults",
    default="kill",
    show_default=True,
    metavar="NAME,…",
    help=f"Of {', '.join(FAULTS)}. disk-full and read-only need root, for a mount.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often each fault but kill is planted.",
)
@click.option(
    "--lease",
    type=click.FloatRange(min=2),
    default=6.0,
    show_default=True,
    help="Seconds of a lease.",
)
@click.option(
    "--step",
    type=click.FloatRange(min=0),
    default=0.1,
    show_default=True,
    help="Seconds of a step; a job has two.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--timeout", type=click.FloatRange(min=1), default=3600.0, show_default=True,
              help="Seconds after which the jobs count as stuck.")  # fmt: skip
def main(
    *,
    jobs: int,
    workers: int,
    kills: int,
    database: str,
    faults: str,
    rounds: int,
    lease: float,
    step: float,
    seed: int,
    timeout: float,
) -> None:
    """Run jobs under faults and check that each was done once and none was lost."""
    names = tuple(dict.fromkeys(name.strip() for name in faults.split(",") if name.strip()))
    if wrong := [name for name in names if name not in FAULTS]:
        raise click.BadParameter(f"unknown: {wrong[0]}", param_hint="--faults")
    with ExitStack() as stack:
        ground = stack.enter_context(Ground())
        output = ground.folder / "output"
        output.mkdir()
        files = needs_mount(names)
        if files:
            mount(output, files=jobs)
            stack.callback(unmount, output)
        fleet = Fleet(
            ground=ground,
            database_url=ground.database(database),
            output=output,
            size=workers,
            # The null model writes no files.
            model="tiny" if files else "null",
            lease=lease,
            # Every kill may hit the same job.
            attempts=12,
            step=step,
        )
        engine = connect(fleet.database_url)
        stack.callback(engine.dispose)
        install(engine)
        planter = Planter(fleet, engine, random.Random(seed))  # noqa: S311 — reproducible
        plan = schedule(planter.chance, names, jobs=jobs, kills=kills, rounds=rounds)
        began = time.monotonic()
        fleet.submit(jobs)
        stack.callback(fleet.kill)
        stuck = not _run(fleet, engine, planter, plan, jobs=jobs, timeout=timeout)
        seconds = time.monotonic() - began
        codes = [] if stuck else fleet.drain(partial(_registered, engine))
        broken = _broken(engine, planter.counts, jobs=jobs, codes=codes, stuck=stuck)
        document = _document(planter, engine, jobs=jobs, seconds=seconds, broken=broken)
        document |= {"workers": workers, "database": database, "lease_s": lease, "seed": seed}
        document["faults_left"] = len(plan) - sum(planter.counts.values())
    click.echo(json.dumps(document))
    if broken:
        for line in broken[:SHOWN]:
            click.echo(f"broken: {line}", err=True)
        sys.exit(1)


def schedule(
    chance: random.Random, names: Sequence[str], *, jobs: int, kills: int, rounds: int
) -> list[tuple[int, str]]:
    """(number of finished jobs, fault) in order: faults follow the work, not the clock.

    The same seed gives the same schedule on a fast and on a slow machine.
    """
    every = [name for name in names if name != "kill" for _ in range(rounds)]
    every += ["kill"] * (kills if "kill" in names else 0)
    return sorted((chance.randrange(jobs * 9 // 10 + 1), name) for name in every)


def _run(
    fleet: Fleet,
    engine: Engine,
    planter: Planter,
    plan: Sequence[tuple[int, str]],
    *,
    jobs: int,
    timeout: float,
) -> bool:
    """Keep the workers running and plant what is due until no job is left.

    Returns:
        False if that took longer than `timeout`.
    """
    give_up = time.monotonic() + timeout
    left = list(plan)
    said = 0.0
    while time.monotonic() < give_up:
        fleet.keep()
        done = _done(engine)
        if done == jobs:
            return True
        if left and done >= left[0][0]:
            planter.plant(left.pop(0)[1])
        if time.monotonic() - said > 5:
            said = time.monotonic()
            click.echo(f"{done} of {jobs} done, {len(left)} faults to come", err=True)
        time.sleep(LOOK)
    return False


def _registered(engine: Engine) -> frozenset[str]:
    with engine.connect() as connection:
        return frozenset(connection.scalars(text("SELECT name FROM workers")))


def _done(engine: Engine) -> int:
    query = text("SELECT count(*) FROM jobs WHERE state IN ('succeeded', 'failed', 'cancelled')")
    try:
        with engine.connect() as connection:
            return int(connection.execute(query).scalar_one())
    except DBAPIError:
        return -1  # planted: it is away


def _broken(
    engine: Engine, planted: Collection[str], *, jobs: int, codes: Sequence[int], stuck: bool
) -> list[str]:
    broken = ["jobs are left and nothing moves"] if stuck else []
    broken += [f"a worker that was asked to drain exited with {code}" for code in codes if code]
    broken += History.read(engine).faults(jobs)
    return [*broken, *_files(engine), *blamed(engine, planted)]


def blamed(engine: Engine, planted: Collection[str]) -> Iterator[str]:
    """Attempts that count as failed although no fault was the job's.

    Only a worker that is killed or stopped costs the jobs that it holds an attempt.
    """
    fair = {"lost"} if {"kill", "stop"} & set(planted) else set()
    query = """
        SELECT failure, count(*) AS n, min(error) AS error FROM attempts
        WHERE outcome = 'failed' GROUP BY failure
    """
    with engine.connect() as connection:
        for row in connection.execute(text(query)):
            if row.failure not in fair:
                yield f"{row.n} attempts failed ({row.failure}), such as: {row.error:.200}"


def _files(engine: Engine) -> Iterator[str]:
    """Files that are not what their rows say."""
    with engine.connect() as connection:
        for row in connection.execute(text("SELECT path, size, sha256 FROM artifacts")):
            path = Path(row.path)
            data = path.read_bytes() if path.is_file() else b""
            if (len(data), hashlib.sha256(data).hexdigest()) != (row.size, row.sha256):
                yield f"{path.name} is not what its row says"


def _document(
    planter: Planter, engine: Engine, *, jobs: int, seconds: float, broken: Sequence[str]
) -> dict[str, Any]:
    history = History.read(engine)
    recoveries = history.recoveries(planter.kills)
    explained = explain(recoveries, planter.spans)
    p50, p99 = explained["all"]["total_s"]
    with engine.connect() as connection:
        attempts = connection.execute(
            text("SELECT outcome, failure, count(*) AS n FROM attempts GROUP BY 1, 2")
        )
        ended = {"/".join(filter(None, (row.outcome, row.failure))): row.n for row in attempts}
    return {
        "schema": "hymo.campaign/1",
        "jobs": jobs,
        "seconds": round(seconds, 1),
        "jobs_per_s": round(jobs / seconds, 2),
        "faults": planter.counts,
        "attempts": ended,
        "moves": dict(history.endings()),
        "recovered": len(recoveries),
        "recovery_p50_s": p50,
        "recovery_p99_s": p99,
        "recovery": explained,
        "broken": len(broken),
        "machine": machine(),
    }


if __name__ == "__main__":
    main(prog_name="python -m benchmarks.campaign")
