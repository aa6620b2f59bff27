"""Falling back to float32 when a faster number type fails too often."""

from __future__ import annotations

from dataclasses import dataclass, replace

from worker.planning.precision import FLAG, SAFE, log


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """Counts motions that had to be sampled again, and says when that is too many.

    Attributes:
        fewest: so many have to be, or nothing is said.
        share: so large a share of the latest motions may be.
        window: how many of the latest motions are looked at.
        latest: of each of them, the newest last, whether it had to be sampled again.
        sampled: motions in all.
        resampled: of these, sampled again.
        open: whether it was too many once; that stays so.
    """

    fewest: int = 8
    share: float = 0.05
    window: int = 200
    latest: tuple[bool, ...] = ()
    sampled: int = 0
    resampled: int = 0
    open: bool = False

    def after(self, motions: int, *, resampled: int) -> Breaker:
        """This breaker after a pack of `motions`, of which `resampled` were sampled again."""
        # Which of a pack is of no consequence, but a pack may be cut by the window's edge.
        pack = (False,) * (motions - resampled) + (True,) * resampled
        latest = (*self.latest, *pack)[-self.window :]
        again = sum(latest)
        return replace(
            self,
            latest=latest,
            sampled=self.sampled + motions,
            resampled=self.resampled + resampled,
            open=self.open or (again >= self.fewest and again > self.share * len(latest)),
        )


class Precision:
    """What one model is computed in, until that fails too often.

    Args:
        model: whom it is about, for the log.
        dtype: as `choose` gave it.
        breaker: counts the failures.
    """

    def __init__(self, *, model: str, dtype: str, breaker: Breaker | None = None) -> None:
        self._model = model
        self._chosen = dtype
        self._breaker = breaker or Breaker()

    @property
    def dtype(self) -> str:
        """What to compute in now."""
        return SAFE if self._breaker.open else self._chosen

    @property
    def given_up(self) -> str | None:
        """The precision that was given up, if one was."""
        return self._chosen if self._breaker.open else None

    def note(self, motions: int, *, resampled: int) -> None:
        """A pack of `motions` is done, of which `resampled` had to be sampled again."""
        if self.dtype == SAFE:
            return
        self._breaker = self._breaker.after(motions, resampled=resampled)
        if self._breaker.open:
            log.warning(
                "%s: %d of the latest %d motions broke in %s and were sampled again; going on in "
                "%s. Start the worker with %s %s to spare the attempts",
                self._model,
                sum(self._breaker.latest),
                len(self._breaker.latest),
                self._chosen,
                SAFE,
                FLAG,
                SAFE,
            )
