"""Running jobs together so that a bad one fails alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from jobs.domain.attempts import Claim
from worker.engine.pool import LoadCost
from worker.errors import OutageError, PackStoppedError
from worker.execution.failures import Diagnosis, diagnose

log = logging.getLogger(__name__)
T = TypeVar("T")


def bisect(
    claims: Sequence[Claim],
    attempt: Callable[[Sequence[Claim], LoadCost], T],
    *,
    load: LoadCost,
    halved: str,
    stopped: Callable[[Claim], bool] = lambda _: False,
) -> Iterator[tuple[Sequence[Claim], T | Diagnosis]]:
    """Attempt claims together. If that fails, attempt them again: without the jobs to blame where
    the error names them, otherwise in halves.

    This is the fault boundary of the worker: of a job's exceptions only `OutageError` passes,
    since then the worker itself cannot go on.

    Args:
        claims: what to attempt.
        attempt: called with claims and the loading to book on them. `PackStoppedError` ends it
            without an outcome.
        load: loading to book.
        halved: logged when claims are halved, with their number and the error.
        stopped: whether a job is not to be attempted any more.

    Yields:
        Claims with what their attempt returned, or with why they failed.
    """
    claims = [claim for claim in claims if not stopped(claim)]
    if not claims:
        return
    try:
        outcome = _guarded(attempt, claims, load)
    except PackStoppedError:
        return
    if not isinstance(outcome, Diagnosis):
        yield claims, outcome
        return
    # The exception and its frames are gone by now, and with them the tensors of the attempt.
    again = partial(bisect, attempt=attempt, halved=halved, stopped=stopped)
    bad = {0} if len(claims) == 1 else outcome.places
    if bad:
        yield [claim for place, claim in enumerate(claims) if place in bad], outcome
        rest = [claim for place, claim in enumerate(claims) if place not in bad]
        yield from again(rest, load=LoadCost())
        return
    log.warning(halved, len(claims), outcome.error)
    middle = len(claims) // 2
    yield from again(claims[:middle], load=load)
    yield from again(claims[middle:], load=LoadCost())


def _guarded(
    attempt: Callable[[Sequence[Claim], LoadCost], T], claims: Sequence[Claim], load: LoadCost
) -> T | Diagnosis:
    try:
        return attempt(claims, load)
    except (OutageError, PackStoppedError):
        raise
    except Exception as error:  # noqa: BLE001  # the one fault boundary of the worker
        return diagnose(error)
