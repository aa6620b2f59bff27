"""Pauses: the part of its offer that a live worker does not take for now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class PauseScope(StrEnum):
    """What a pause covers, and what its subject is."""

    WORKER = "worker"  # every job; no subject
    BATCH = "batch"  # the jobs of a batch whose folder it does not reach; its name
    OUTPUT = "output"  # the jobs of every batch in this output folder; its path
    MODEL = "model"  # the sampling of a model in a mode; `<model> <mode>`
    ENCODER = "encoder"  # the encoding of texts of a model; its name


@dataclass(frozen=True)
class Pause:
    """A part of its offer that a worker does not take for now.

    A paused worker keeps its offer: the pause ends by itself, so `auto` and the check for stuck
    batches count on the worker. Only its claims leave the jobs out.

    Attributes:
        reason: one line for people, such as `output /mnt/nas full on node3`.
        since: epoch seconds.
    """

    scope: PauseScope
    subject: str
    reason: str
    since: float

    def covers(self, *, model: str, mode: str, batch: str, output: str, text: bool) -> bool:
        """Whether the worker leaves such a job; `text`: it waits for its text to be encoded."""
        return {
            PauseScope.WORKER: True,
            PauseScope.BATCH: self.subject == batch,
            PauseScope.OUTPUT: self.subject == output,
            PauseScope.MODEL: not text and self.subject == f"{model} {mode}",
            PauseScope.ENCODER: text and self.subject == model,
        }[self.scope]

    def as_json(self) -> dict[str, Any]:
        """The pause as the workers' table stores it."""
        return {
            "scope": self.scope.value,
            "subject": self.subject,
            "reason": self.reason,
            "since": self.since,
        }


def pauses_of(stored: Iterable[Mapping[str, Any]] | None) -> tuple[Pause, ...]:
    """The pauses of a worker's row."""
    return tuple(
        Pause(PauseScope(each["scope"]), each["subject"], each["reason"], each["since"])
        for each in stored or ()
    )
