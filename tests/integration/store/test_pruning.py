"""Rows of batches that ended long ago, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from jobs.domain.attempts import Features
from jobs.domain.batches import Artifact, NewJob
from jobs.domain.states import State
from jobs.errors import ConflictError
from jobs.store.pruning import RowCount, Standing
from tests.conftest import Ticker
from tests.integration.store.conftest import Farm, success

DAY = 86400.0
FEATURES = Features(reference="r1", windows=1, blob=b"f")
New = Callable[..., NewJob]


def nothing(*_: object) -> None:
    """No files to remove."""


def ended(farm: Farm, n: int = 4, batch: str = "night") -> list[int]:
    """A batch of jobs that succeeded, with an attempt, a file and features each."""
    ids = farm.jobs(n, batch=batch)
    hand = farm.worker()
    claims = farm.claim(hand, limit=n)
    results = [replace(success(claim), features=FEATURES) for claim in claims]
    farm.store.completion.succeed(results, publish=nothing)
    return ids


def before(clock: Ticker, days: float) -> float:
    return clock() - days * DAY


def left(farm: Farm) -> list[int]:
    tables = ("batches", "jobs", "attempts", "artifacts", "motion_features")
    return [farm.rows(f"SELECT count(*) AS n FROM {table}")[0].n for table in tables]


def remove(farm: Farm, when: float, *, limit: int = 100, clear: Any = nothing) -> RowCount | None:
    step = farm.store.pruning.remove_jobs(1, before=when, limit=limit, clear=clear)
    return None if step is None else step.rows


def test_a_batch_is_old_when_its_last_job_ended_long_ago(farm: Farm, clock: Ticker) -> None:
    ids = ended(farm, 2)
    at = clock()
    farm.store.batches.ensure("empty", source="f.csv", output="/out")
    clock.tick(40 * DAY)
    old = farm.store.pruning.old
    assert [batch.name for batch in old(before=before(clock, 30))] == ["night", "empty"]
    assert old(before=before(clock, 41)) == []
    farm.store.control.retry([ids[0]], states={State.SUCCEEDED}, max_attempts=1, force=True)
    assert [batch.name for batch in old(before=before(clock, 30))] == ["empty"]
    assert farm.store.pruning.standing(1) == Standing(1, at)
    farm.claim(farm.worker("v"))
    assert farm.store.pruning.standing(1).unfinished == 1, "it runs"
    farm.store.control.cancel([ids[0]])
    assert [batch.name for batch in old(before=before(clock, 30))] == ["empty"]


def test_jobs_go_with_all_their_rows_in_bounded_steps(farm: Farm, clock: Ticker) -> None:
    ended(farm, 5)
    ended(farm, 1, batch="other")
    clock.tick(40 * DAY)
    when = before(clock, 30)
    assert farm.store.pruning.counts(1) == RowCount(5, 5, 5)
    stems: list[str] = []

    def clear(some: Sequence[str]) -> None:
        stems.extend(some)

    steps = [remove(farm, when, limit=2, clear=clear) for _ in range(4)]
    assert steps == [RowCount(n, n, n) for n in (2, 2, 1, 0)]
    assert stems == [f"j{n}_s0" for n in range(5)]
    assert farm.store.pruning.remove_batch(1, before=when, clear=nothing)
    assert left(farm) == [1, 1, 1, 1, 1]


def test_what_cannot_be_cleared_keeps_its_rows(farm: Farm, clock: Ticker) -> None:
    ended(farm, 2)
    clock.tick(40 * DAY)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "j0_s0.npz")

    with pytest.raises(PermissionError):
        remove(farm, before(clock, 30), clear=refuse)
    assert left(farm) == [1, 2, 2, 2, 2]
    remove(farm, before(clock, 30))
    with pytest.raises(PermissionError):
        farm.store.pruning.remove_batch(1, before=before(clock, 30), clear=refuse)
    assert left(farm) == [1, 0, 0, 0, 0]


def test_a_batch_that_lives_again_is_not_touched_further(farm: Farm, clock: Ticker) -> None:
    ids = ended(farm, 4)
    clock.tick(40 * DAY)
    when, cleared = before(clock, 30), []
    assert remove(farm, when, limit=1) == RowCount(1, 1, 1)
    farm.store.control.retry([ids[3]], states={State.SUCCEEDED}, max_attempts=1, force=True)
    assert remove(farm, when, limit=1, clear=cleared.append) is None
    assert not farm.store.pruning.remove_batch(1, before=when, clear=nothing)
    assert (cleared, left(farm)[:2]) == ([], [1, 3])
    farm.claim(farm.worker("v"))
    assert remove(farm, when, clear=cleared.append) is None
    farm.store.control.cancel(batch_id=1)
    # It has changed just now, even if all have ended.
    assert remove(farm, when, clear=cleared.append) is None
    assert cleared == []


def test_motions_that_other_batches_share_stay(farm: Farm, clock: Ticker, make_job: New) -> None:
    first = ended(farm, 2)
    file = Artifact("npz", "/out/other/copy_s0.npz", 10, "ab" * 32)
    copy = make_job("copy", cached_from=first[0], artifacts=(file,))
    clock.tick(35 * DAY)
    farm.insert(copy, batch="other")
    twin = make_job("twin", cached_from=first[0], artifacts=(file,))
    farm.insert(twin, batch="night")  # of the same batch
    clock.tick(1 * DAY)
    assert remove(farm, before(clock, 30)) is None, "the batch got a job a day ago"
    clock.tick(30 * DAY)
    number = farm.rows("SELECT id FROM jobs WHERE custom_id = 'copy'")[0].id
    assert farm.job(number).cached_from == first[0]
    assert remove(farm, before(clock, 30), limit=1) is not None
    assert remove(farm, before(clock, 30)) is not None
    kept = farm.job(number)
    assert (kept.state, kept.cached_from) == (State.SUCCEEDED, None)
    assert farm.files(number) == [file.path]


def test_a_submit_that_found_a_motion_too_late_queues_the_job(
    farm: Farm, clock: Ticker, make_job: New
) -> None:
    first = ended(farm, 2)
    clock.tick(40 * DAY)
    file = Artifact("npz", "/out/other/copy_s0.npz", 10, "ab" * 32)
    jobs = [make_job(f"c{n}", cached_from=n, artifacts=(file,)) for n in first]
    assert remove(farm, before(clock, 30), limit=1) == RowCount(1, 1, 1)
    placed: list[NewJob] = []
    done = farm.store.batches.insert(
        farm.batch("other"), jobs, attempt_limit=1, place=placed.extend
    )
    assert (len(done.new), done.cached, placed) == (1, 1, [jobs[1]])


def test_a_submit_to_a_batch_that_was_removed_is_told(
    farm: Farm, clock: Ticker, make_job: New
) -> None:
    ended(farm, 1)
    clock.tick(40 * DAY)
    remove(farm, before(clock, 30))
    farm.store.pruning.remove_batch(1, before=before(clock, 30), clear=nothing)
    with pytest.raises(ConflictError, match="removed by `hymo prune` just now: submit the file"):
        farm.insert(make_job("late"))


def test_who_comes_while_jobs_are_removed_waits(farm: Farm, clock: Ticker, make_job: New) -> None:
    """`hymo retry`, and a submit that shares one of the motions, at the moment of the removal."""
    first = ended(farm, 3)
    clock.tick(40 * DAY)
    file = Artifact("npz", "/out/other/copy_s0.npz", 10, "ab" * 32)
    farm.batch("other")
    results: dict[str, Any] = {}

    def retry() -> None:
        results["retried"] = farm.store.control.retry(
            first, states={State.SUCCEEDED}, max_attempts=1, force=True
        )

    def submit() -> None:
        copy = make_job("copy", cached_from=first[0], artifacts=(file,))
        results["inserted"] = farm.insert(copy, batch="other")

    others = [threading.Thread(target=each) for each in (retry, submit)]

    def clear(_: Sequence[str]) -> None:
        for each in others:
            each.start()
        # They cannot end before this transaction: the wait only gives them the time to begin.
        others[0].join(0.2)
        assert results == {}

    assert remove(farm, before(clock, 30), clear=clear) == RowCount(3, 3, 3)
    for each in others:
        each.join()
    assert results["retried"] == 0
    assert (len(results["inserted"].new), results["inserted"].cached) == (1, 0)
