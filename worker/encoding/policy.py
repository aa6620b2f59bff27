"""When a worker changes over between sampling and encoding on one card."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EncodingPolicy:
    """When an encoder that shares the card with the samplers is loaded and used.

    Loading it costs seconds in which nothing is sampled, so a worker with work to do lets texts
    gather, and one without does not load for each of a few that trickle in.

    Attributes:
        many, patience: while there is something to sample: once so many texts wait (counted in
            jobs), or the first of them for so many seconds.
        enough, pause: while there is not: once so many wait, or so many seconds after texts were
            last encoded.
    """

    many: int = 1024
    patience: float = 300.0
    enough: int = 64
    pause: float = 30.0

    def due(self, waiting: int, *, waited: float, since: float, idle: bool) -> bool:
        """Whether to encode now.

        Args:
            waiting: jobs.
            waited: seconds since the first of them was seen.
            since: seconds since texts were last encoded.
            idle: whether nothing can be sampled.
        """
        if waiting == 0:
            return False
        if idle:
            return waiting >= self.enough or since >= self.pause
        return waiting >= self.many or waited >= self.patience
