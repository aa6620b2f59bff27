"""What the time from the kill of a worker until its jobs ran again was made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Span:
    """A fault, and from when to when it was there: epoch seconds."""

    fault: str
    begin: float
    end: float


@dataclass(frozen=True)
class Recovery:
    """A job whose worker was killed and that ran again. All times are epoch seconds.

    Attributes:
        killed: when its worker was killed.
        leased: when its lease ended.
        expired: when its attempt was ended as lost.
        again: when a worker claimed it again.
    """

    killed: float
    leased: float
    expired: float
    again: float

    def met(self, spans: Iterable[Span]) -> frozenset[str]:
        """The faults that were there between the kill and the next claim."""
        return frozenset(
            span.fault for span in spans if span.begin <= self.again and span.end >= self.killed
        )


#: A recovery and its parts, in seconds: `queued` is the sum of the two that follow it.
_PARTS: dict[str, Callable[[Recovery], float]] = {
    "total": lambda each: each.again - each.killed,
    "queued": lambda each: each.expired - each.killed,
    "lease_ended": lambda each: each.leased - each.killed,
    "expired": lambda each: each.expired - each.leased,
    "claimed": lambda each: each.again - each.expired,
}


def explain(recoveries: Sequence[Recovery], spans: Sequence[Span]) -> dict[str, dict[str, Any]]:
    """Number, p50 and p99 of the parts of recoveries: of all, and by what else happened meanwhile.

    Kills do not count: the next one often follows before the jobs of the last one run again.
    """
    met = {each: each.met(spans) - {"kill"} for each in recoveries}
    groups = {
        "all": list(recoveries),
        "no_outage": [each for each in recoveries if "database-away" not in met[each]],
        "kills_only": [each for each in recoveries if not met[each]],
    }
    for fault in sorted({span.fault for span in spans} - {"kill"}):
        groups[fault] = [each for each in recoveries if fault in met[each]]
    return {name: _figures(group) for name, group in groups.items()}


def _figures(group: Sequence[Recovery]) -> dict[str, Any]:
    found: dict[str, Any] = {"n": len(group)}
    for name, part in _PARTS.items():
        ordered = sorted(map(part, group))
        found[f"{name}_s"] = [_quantile(ordered, 0.5), _quantile(ordered, 0.99)]
    return found


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which a share of the values lies; None if there are none."""
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) if ordered else None
