"""Sequences: recognising one action followed by another in a motion."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.metrics.classifier import Classifier
from hymotion.metrics.features import windows

LENGTH = 40
STRIDE = 5
"""Length and stride of the sliding window over a sequence, frames."""

RUN = 3
"""Number of successive windows that must agree, because the judge may misjudge a single one."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The frames in which an action was recognised.

    Attributes:
        start: first frame of its first window.
        stop: one past the last frame of its last window.
    """

    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """The recognition of a sequence of two actions.

    Attributes:
        first: span of the first action, or None.
        second: span of the second action after it, or None.
        seen: the likeliest action of each window.
    """

    first: Span | None
    second: Span | None
    seen: tuple[str, ...]

    @property
    def in_order(self) -> bool:
        """Whether both actions were recognised, the first before the second."""
        return self.first is not None and self.second is not None


def recognise(
    classifier: Classifier, motion: Motion, first: Collection[str], second: Collection[str]
) -> Recognition:
    """Slide 40-frame windows, every 5 frames, over a motion and look for two actions in order.

    A part is a run of at least 3 windows whose likeliest action is one of its names. The
    first part is the earliest such run, the second any later one; they may share frames but not
    windows.

    Args:
        classifier: the judge.
        motion: the sequence.
        first: accepted names of the first action: one, or several similar actions.
        second: accepted names of the second action.

    Raises:
        MeasureError: a part has no names or unknown ones, the parts share a name, or the motion
            is not finite.
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
