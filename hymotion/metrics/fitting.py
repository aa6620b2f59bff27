"""Training the action classifier on real clips."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hymotion.errors import MeasureError
from hymotion.metrics.actionnet import ActionNet
from hymotion.metrics.classifier import Classifier
from hymotion.metrics.features import motion_features
from hymotion.metrics.labelled import Labelled
from hymotion.metrics.posed import PosedMotions

FLAT = 1e-3
"""Lower bound of the standard deviation that a feature is divided by."""

EDGE = 10
"""A crop within this many frames of the action's start or end is extended into the rest."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """Hyperparameters of the classifier's training.

    Attributes:
        steps: number of batches.
        batch: crops per batch.
        shortest: minimum frames of a crop of the action.
        longest: maximum frames of a crop of the action.
        margin: maximum frames of rest on either side of a crop, if the motion has rest.
        width: channels of the network.
        rate: peak learning rate of AdamW, which decays to 0 along a half cosine.
        decay: weight decay of AdamW.
        dropout: dropout probability.
        noise: standard deviation of the noise added to the standardised features.
        smoothing: label smoothing.
        seed: of all random numbers.
    """

    steps: int = 1500
    batch: int = 64
    shortest: int = 20
    longest: int = 60
    margin: int = 40
    width: int = 96
    rate: float = 2e-3
    decay: float = 0.05
    dropout: float = 0.2
    noise: float = 0.1
    smoothing: float = 0.05
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Lessons:
    """The training clips: features, spans of the actions, and labels."""

    clips: tuple[Tensor, ...]
    spans: tuple[tuple[int, int], ...]
    labels: Tensor
    actions: tuple[str, ...]

    @classmethod
    def of(cls, items: Iterable[Labelled]) -> "Lessons":
        """The training clips among the items: those whose split is "train".

        Raises:
            MeasureError: there are fewer than two actions, or a motion is unusable.
        """
        taught = [item for item in items if item.split == "train"]
        actions = tuple(sorted({item.action for item in taught}))
        if len(actions) < 2:
            raise MeasureError(
                f"the training split has {len(actions)} actions",
                mend="Give motions of at least two actions with split='train'",
                field="items",
                value=actions,
            )
        return cls(
            spans=tuple(item.span or (0, item.motion.frames) for item in taught),
            clips=tuple(motion_features(PosedMotions.of([item.motion])) for item in taught),
            labels=torch.tensor([actions.index(item.action) for item in taught]),
            actions=actions,
        )

    def draw(
        self, settings: FitSettings, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A batch: features (B, T, 134), mask (B, T), labels (B,).

        Every action is equally likely, regardless of its number of clips. Within an action, a
        clip's probability is proportional to its length.
        """
        counts = torch.tensor([float(stop - start) for start, stop in self.spans])
        totals = torch.zeros(len(self.actions)).index_add(0, self.labels, counts)
        weights = counts / totals[self.labels]
        chosen = weights.multinomial(settings.batch, replacement=True, generator=generator)
        crops = [self._crop(index, settings, generator) for index in chosen.tolist()]
        mask = torch.zeros(len(crops), max(map(len, crops)), dtype=torch.bool)
        for row, crop in enumerate(crops):
            mask[row, : len(crop)] = True
        return nn.utils.rnn.pad_sequence(crops, batch_first=True), mask, self.labels[chosen]

    def _crop(self, index: int, settings: FitSettings, generator: torch.Generator) -> Tensor:
        clip, (first, end) = self.clips[index], self.spans[index]
        length = min(end - first, _between(settings.shortest, settings.longest, generator))
        start = _between(first, end - length, generator)
        stop = start + length
        # Rest must never be an example of the action on its own, so a crop only extends into it
        # from the action's start or end.
        if first > 0 or end < len(clip):
            before, after = (_between(0, settings.margin, generator) for _ in range(2))
            start = max(0, first - before) if start - first < EDGE else start
            stop = min(len(clip), end + after) if end - stop < EDGE else stop
        return clip[start:stop]


def fit(items: Iterable[Labelled], settings: FitSettings | None = None) -> Classifier:
    """Train a classifier on the items whose split is "train"; the others are ignored.

    The same items and settings give the same classifier on the same machine. The caller's random
    state is not changed.

    Raises:
        MeasureError: there are fewer than two actions, or a motion is unusable.
    """
    settings = settings or FitSettings()
    lessons = Lessons.of(items)
    # Initial weights and dropout use torch's global generator, which is restored afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = ActionNet(
            actions=len(lessons.actions), width=settings.width, dropout=settings.dropout
        )
        _standardise(network, lessons.clips)
        _teach(network, lessons, settings)
    return Classifier(actions=lessons.actions, network=network.eval().requires_grad_(False))


def _standardise(network: ActionNet, clips: Sequence[Tensor]) -> None:
    frames = torch.cat(tuple(clips))
    network.mean.copy_(frames.mean(0))
    network.scale.copy_(frames.std(0).clamp(min=FLAT))


def _teach(network: ActionNet, lessons: Lessons, settings: FitSettings) -> None:
    generator = torch.Generator().manual_seed(settings.seed)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.rate, weight_decay=settings.decay
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.smoothing)
    network.train()
    for step in range(settings.steps):
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
        features, mask, labels = lessons.draw(settings, generator)
        tremble = torch.randn(features.shape, generator=generator) * settings.noise
        loss = loss_of(network(features + tremble * network.scale, mask), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def _between(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))
