"""When an encoder and the samplers that share a card with it take turns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EncodingPolicy:
    """When an encoder that shares the card with the samplers has its turn.

    Loading it costs seconds in which nothing is sampled, so a worker with work to do lets texts
    gather, and one without does not load for each of a few that trickle in.

    Attributes:
        many, patience: while there is something to sample: once so many texts wait (counted in
            jobs), or the first of them for so many seconds.
        enough, pause: while there is not: once so many wait, or so many seconds after the last
            turn ended.
    """

    many: int = 1024
    patience: float = 300.0
    enough: int = 64
    pause: float = 30.0

    def due(self, waiting: int, *, waited: float, since: float, idle: bool) -> bool:
        """Whether it is the encoder's turn.

        Args:
            waiting: jobs.
            waited: seconds since the first of them was seen.
            since: seconds since the last turn ended.
            idle: whether nothing can be sampled.
        """
        if waiting == 0:
            return False
        if idle:
            return waiting >= self.enough or since >= self.pause
        return waiting >= self.many or waited >= self.patience
