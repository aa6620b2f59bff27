"""Runs jobs together, and isolates a bad one so that it fails alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import TypeVar

from jobs.domain.attempts import Claim
from jobs.errors import OutageError
from worker.engine.pool import LoadCost
from worker.errors import DeviceFaultError, EngineLoadError, PackStoppedError
from worker.execution.failures import Diagnosis, diagnose, first_line, is_device_fault

log = logging.getLogger(__name__)
T = TypeVar("T")


def bisect(
    claims: Sequence[Claim],
    attempt: Callable[[Sequence[Claim], LoadCost], T],
    *,
    load: LoadCost,
    halved: str,
    stopped: Callable[[Claim], bool] = lambda _: False,
) -> Generator[tuple[Sequence[Claim], T | Diagnosis], None, LoadCost]:
    """Attempt claims together. If that fails, attempt them again: without the failed jobs if the
    error names them, otherwise in halves.

    This is the fault boundary of the worker: it catches every exception of a job except those
    after which the worker or its engine cannot continue.

    Args:
        claims: the claims to attempt.
        attempt: called with claims and the load cost to book on them. `PackStoppedError` ends it
            without an outcome.
        load: the load cost to book. Each attempt may be the one that succeeds, so it is given the
            cost until one does.
        halved: log message for when claims are halved, with their number and the error.
        stopped: whether a job must not be attempted any more.

    Yields:
        Claims with the return value of their attempt, or with its diagnosis.

    Returns:
        The load cost that no attempt booked, because none succeeded.

    Raises:
        OutageError, EngineLoadError: from the attempt.
        DeviceFaultError: with the claims that were attempted.
    """
    claims = [claim for claim in claims if not stopped(claim)]
    if not claims:
        return load
    try:
        outcome = _guarded(attempt, claims, load)
    except PackStoppedError:
        return load
    if not isinstance(outcome, Diagnosis):
        yield claims, outcome
        return LoadCost()
    # The exception and its frames are freed by now, and so are the tensors of the attempt.
    again = partial(bisect, attempt=attempt, halved=halved, stopped=stopped)
    bad = {0} if len(claims) == 1 else outcome.places
    if bad:
        yield [claim for place, claim in enumerate(claims) if place in bad], outcome
        rest = [claim for place, claim in enumerate(claims) if place not in bad]
        return (yield from again(rest, load=load))
    log.warning(halved, len(claims), outcome.error)
    middle = len(claims) // 2
    left = yield from again(claims[:middle], load=load)
    return (yield from again(claims[middle:], load=left))


def _guarded(
    attempt: Callable[[Sequence[Claim], LoadCost], T], claims: Sequence[Claim], load: LoadCost
) -> T | Diagnosis:
    try:
        return attempt(claims, load)
    except (OutageError, PackStoppedError):
        raise
    except Exception as error:  # the one fault boundary of the worker
        if is_device_fault(error):
            raise DeviceFaultError(first_line(error), claims) from error
        if isinstance(error, EngineLoadError):
            raise
        return diagnose(error)
