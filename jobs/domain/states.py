"""States of a job, outcomes of an attempt, and the one table of allowed transitions."""

from __future__ import annotations

from enum import StrEnum

from jobs.errors import TransitionError


class State(StrEnum):
    """Where a job stands. The SQL row is the truth."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Failure(StrEnum):
    """Why an attempt failed: data for history, not prose."""

    INVALID = "invalid"
    OUT_OF_MEMORY = "out_of_memory"
    NUMERICS = "numerics"
    TIMEOUT = "timeout"
    LOST = "lost"
    ERROR = "error"


class Outcome(StrEnum):
    """How an attempt ended. `released`: the worker gave the job back untouched, by intent.
    `encoded`: it encoded the job's text, for a worker that samples it."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    ENCODED = "encoded"


#: Every allowed move. A retry (automatic, or by `hymo retry`) goes back to queued.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.QUEUED}),
    State.SUCCEEDED: frozenset({State.QUEUED}),
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.QUEUED}),
}

#: States in which nothing more happens unless a person asks for it.
FINAL: frozenset[State] = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

#: Failures that a further attempt cannot mend.
HOPELESS: frozenset[Failure] = frozenset({Failure.INVALID})

#: Failures that may be another's doing: one job that kills or hangs its worker takes its whole
#: pack along. Whoever failed so is tried again alone, and then the guilty one fails alone.
SUSPECT: frozenset[Failure] = frozenset({Failure.LOST, Failure.TIMEOUT})


def check(source: State, target: State) -> None:
    """Raise `TransitionError` unless a job may go from `source` to `target`."""
    if target not in TRANSITIONS[source]:
        raise TransitionError(source, target)


def sources(target: State) -> tuple[State, ...]:
    """The states from which `target` may be reached, for a compare-and-swap's WHERE."""
    return tuple(state for state, targets in TRANSITIONS.items() if target in targets)
