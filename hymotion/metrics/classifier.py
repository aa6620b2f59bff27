"""The action classifier, or judge, which recognises the action in a motion."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.body.motion import Motion
from hymotion.errors import MeasureError
from hymotion.metrics.actionnet import ActionNet
from hymotion.metrics.features import VELOCITIES, motion_features, windows
from hymotion.metrics.labelled import Labelled
from hymotion.metrics.posed import PosedMotions

WINDOW = 60
STRIDE = 15
"""Length and stride of the windows of a whole motion, frames."""

STILL = 0.05
"""Added to the speed that weights a window, m/s, so that all windows of slow motions count."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The judge's prediction for a motion.

    Attributes:
        action: the likeliest action.
        probability: the classifier's probability of that action.
        ranking: all actions, the likeliest first.
    """

    action: str
    probability: float
    ranking: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often the judge recognises the expected action.

    Attributes:
        top1: fraction of the motions whose likeliest action is the expected one.
        count: number of motions.
        by_action: (correct, total) for each expected action, by name.
        confused: (expected, predicted) → number of motions, where they differ.
    """

    top1: float
    count: int
    by_action: dict[str, tuple[int, int]]
    confused: dict[tuple[str, str], int]


@dataclass(frozen=True, eq=False)
class Classifier:
    """A fitted network and the names of its outputs.

    Attributes:
        actions: names, in the order of the logits.
        network: in evaluation mode, on the CPU.
    """

    actions: tuple[str, ...]
    network: ActionNet

    def predict(self, motion: Motion) -> Verdict:
        """The action of a whole motion, by the weighted mean log-probability over its windows.

        A window's weight is the mean speed of the joints in it, so that a short action counts
        more than seconds of standing before or after it. Rest is not an action, and the judge was
        never trained on rest alone.

        Raises:
            MeasureError: the motion has fewer than two frames or is not finite.
        """
        weights = _speeds(motion) + STILL
        seen = self.windows(motion, length=WINDOW, stride=STRIDE)
        logs = weights @ seen / weights.sum()
        order = logs.argsort(descending=True, stable=True).tolist()
        ranking = tuple(self.actions[index] for index in order)
        share = logs.softmax(0)[order[0]]
        return Verdict(action=ranking[0], probability=float(share), ranking=ranking)

    def windows(self, motion: Motion, *, length: int, stride: int) -> Tensor:
        """(windows, actions) log-probabilities of the windows of a motion, in order."""
        features = motion_features(PosedMotions.of([motion]))
        starts = windows(len(features), length=length, stride=stride)
        clips = torch.stack([features[start : start + length] for start in starts])
        with torch.inference_mode():
            logits = self.network(clips, torch.ones(clips.shape[:2], dtype=torch.bool))
        return torch.log_softmax(logits, dim=1).clone()

    def score(self, items: Iterable[Labelled]) -> Accuracy:
        """The judge's accuracy on labelled items.

        Raises:
            MeasureError: there are no items, or one has an action unknown to the judge.
        """
        pairs = [(item.action, self.predict(item.motion).action) for item in items]
        self.check(tuple(wanted for wanted, _ in pairs))
        if not pairs:
            raise MeasureError(
                "no motions to judge",
                mend="Give at least one labelled motion",
                field="items",
                value=0,
            )
        return _accuracy(pairs)

    def check(self, actions: Sequence[str]) -> None:
        """Raise a MeasureError for actions that are unknown to the judge."""
        unknown = sorted(set(actions) - set(self.actions))
        if unknown:
            raise MeasureError(
                f"the classifier was never taught {', '.join(unknown)}",
                mend=f"Use its actions: {', '.join(self.actions)}",
                field="action",
                value=tuple(unknown),
            )


def _speeds(motion: Motion) -> Tensor:
    """(windows,) mean speed of the joints in each window of `predict`, m/s."""
    velocities = motion_features(PosedMotions.of([motion]))[:, VELOCITIES]
    speed = velocities.reshape(len(velocities), -1, 3).norm(dim=-1).mean(1)
    starts = windows(len(speed), length=WINDOW, stride=STRIDE)
    return torch.stack([speed[start : start + WINDOW].mean() for start in starts])


def _accuracy(pairs: Sequence[tuple[str, str]]) -> Accuracy:
    by_action: dict[str, tuple[int, int]] = {}
    confused: dict[tuple[str, str], int] = {}
    for wanted, seen in sorted(pairs):
        right, total = by_action.get(wanted, (0, 0))
        by_action[wanted] = (right + (wanted == seen), total + 1)
        if wanted != seen:
            confused[wanted, seen] = confused.get((wanted, seen), 0) + 1
    right = sum(one for one, _ in by_action.values())
    return Accuracy(
        top1=right / len(pairs), count=len(pairs), by_action=by_action, confused=confused
    )
