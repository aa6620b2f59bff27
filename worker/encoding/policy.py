"""Decides when a worker switches from sampling to encoding on one card."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EncodingPolicy:
    """When to load and use an encoder that shares the card with the networks.

    Loading it takes seconds in which nothing is sampled. A busy worker therefore collects texts
    before it encodes, and an idle one does not load the encoder for each new text.

    Attributes:
        many, patience: a busy worker encodes when this many jobs wait for their text, or the
            first of them has waited this many seconds.
        enough, pause: an idle worker encodes when this many jobs wait, or this many seconds after
            it last encoded.
    """

    many: int = 1024
    patience: float = 300.0
    enough: int = 64
    pause: float = 30.0

    def due(self, waiting: int, *, waited: float, since: float, idle: bool) -> bool:
        """Whether to encode now.

        Args:
            waiting: number of jobs that wait for their text.
            waited: seconds since the first of them was seen.
            since: seconds since texts were last encoded.
            idle: whether nothing can be sampled.
        """
        if waiting == 0:
            return False
        if idle:
            return waiting >= self.enough or since >= self.pause
        return waiting >= self.many or waited >= self.patience
