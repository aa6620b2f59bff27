"""Sequences: whether a motion shows one action and then another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.metrics.classifier import Classifier
from hymotion.metrics.features import windows

LENGTH = 40
STRIDE = 5
"""The sliding window over a sequence, frames."""

RUN = 3
"""Windows one after another that must agree: a single one may be a slip of the judge."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where one action was seen.

    Attributes:
        start: first frame of its first window.
        stop: one past the last frame of its last window.
    """

    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """What was seen of a sequence of two.

    Attributes:
        first: where the first action was seen, or None.
        second: where the second was seen after it, or None.
        seen: the likeliest action of each window.
    """

    first: Span | None
    second: Span | None
    seen: tuple[str, ...]

    @property
    def in_order(self) -> bool:
        """Whether both parts were seen, the first before the second."""
        return self.first is not None and self.second is not None


def recognise(
    classifier: Classifier, motion: Motion, first: Collection[str], second: Collection[str]
) -> Recognition:
    """Slide 40-frame windows, every 5 frames, over a motion and look for two actions in order.

    A part is a run of at least 3 windows whose likeliest action is one of its names. The
    first part is the earliest such run, the second any later one; they may overlap in frames
    but not in windows.

    Args:
        classifier: the judge.
        motion: the sequence.
        first: names that are right for the first part; one, or near relations of it.
        second: names that are right for the second part.

    Raises:
        MeasureError: unknown names, none, or names common to both parts, whose order nobody
            could tell; a motion that is not finite.
    """
    _check_names(classifier, first, second)
    logs = classifier.windows(motion, length=LENGTH, stride=STRIDE)
    seen = tuple(classifier.actions[index] for index in logs.argmax(1).tolist())
    starts = windows(motion.frames, length=LENGTH, stride=STRIDE)
    one = _run(seen, first, 0)
    two = _run(seen, second, one[1]) if one else None
    return Recognition(
        first=_part(one, starts, motion.frames),
        second=_part(two, starts, motion.frames),
        seen=seen,
    )


def _run(seen: Sequence[str], names: Collection[str], begin: int) -> tuple[int, int] | None:
    start = begin
    for index in range(begin, len(seen) + 1):
        if index < len(seen) and seen[index] in names:
            continue
        if index - start >= RUN:
            return start, index
        start = index + 1
    return None


def _part(run: tuple[int, int] | None, starts: Sequence[int], frames: int) -> Span | None:
    if run is None:
        return None
    return Span(start=starts[run[0]], stop=min(frames, starts[run[1] - 1] + LENGTH))


def _check_names(classifier: Classifier, first: Collection[str], second: Collection[str]) -> None:
    classifier.check((*first, *second))
    common = sorted(set(first) & set(second))
    if common or not first or not second:
        raise MeasureError(
            f"the parts {sorted(first)} and {sorted(second)} cannot be told apart",
            mend="Give each part names of its own, at least one",
            field="action",
            value=tuple(common),
        )
