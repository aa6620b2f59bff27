"""States of a job, outcomes of an attempt, and the table of allowed transitions."""

from __future__ import annotations

from enum import StrEnum

from jobs.errors import TransitionError


class State(StrEnum):
    """The state of a job, as stored in its SQL row."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Failure(StrEnum):
    """Why an attempt failed."""

    INVALID = "invalid"
    OUT_OF_MEMORY = "out_of_memory"
    NUMERICS = "numerics"
    TIMEOUT = "timeout"
    LOST = "lost"
    ERROR = "error"


class Outcome(StrEnum):
    """How an attempt ended. `released`: the worker returned the job to the queue on purpose.
    `encoded`: it encoded the job's text; the job is sampled in a later attempt."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    ENCODED = "encoded"


#: State → the states it may change to. A retry (automatic or by `hymo retry`) goes to queued.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.QUEUED}),
    State.SUCCEEDED: frozenset({State.QUEUED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
}

#: States that a job leaves only by `hymo retry` or a resubmit.
FINAL: frozenset[State] = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

#: Failures that are not retried.
HOPELESS: frozenset[Failure] = frozenset({Failure.INVALID})

#: Failures whose cause is the job itself. Another device would not mend them.
OF_JOB: frozenset[Failure] = frozenset({Failure.INVALID, Failure.NUMERICS, Failure.OUT_OF_MEMORY})

#: How the error of an attempt begins whose device had to be left to a new process.
DEVICE_FAULT = "device fault: "

#: Failures that another job may have caused: a job that kills or hangs its worker fails its whole
#: pack. Jobs that failed this way are retried alone, so that only the faulty job fails again.
SUSPECT: frozenset[Failure] = frozenset({Failure.LOST, Failure.TIMEOUT})


def check(source: State, target: State) -> None:
    """Raise `TransitionError` unless a job may go from `source` to `target`."""
    if target not in TRANSITIONS[source]:
        raise TransitionError(source, target)


def sources(target: State) -> tuple[State, ...]:
    """The states from which a job may go to `target`, for the WHERE of a compare-and-swap."""
    return tuple(state for state, targets in TRANSITIONS.items() if target in targets)
