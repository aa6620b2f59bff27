"""Teaching the classifier: real clips in, a judge out."""

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

FLAT = 1e-3
"""Least standard deviation by which a feature is divided."""

EDGE = 10
"""A crop that begins or ends within so many frames of the action's end goes on into the rest."""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How the classifier is taught.

    Attributes:
        steps: batches.
        batch: crops a batch.
        shortest: frames of the shortest crop of what shows the action.
        longest: frames of the longest such crop.
        margin: most frames of rest on either side of a crop, where the motion has them.
        width: channels of the network.
        rate: peak learning rate of AdamW, along a half cosine to 0.
        decay: its weight decay.
        dropout: share of numbers dropped.
        noise: standard deviation added to the standardised features.
        smoothing: of the labels.
        seed: of everything random.
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
    """The features of the clips to learn from, where their actions are, and which."""

    clips: tuple[Tensor, ...]
    spans: tuple[tuple[int, int], ...]
    labels: Tensor
    actions: tuple[str, ...]

    @classmethod
    def of(cls, items: Iterable[Labelled]) -> "Lessons":
        """Items of the split "train" alone.

        Raises:
            MeasureError: fewer than two actions to learn, or an unusable motion.
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
            clips=tuple(motion_features(item.motion) for item in taught),
            labels=torch.tensor([actions.index(item.action) for item in taught]),
            actions=actions,
        )

    def draw(
        self, settings: FitSettings, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A batch: features (B, T, 134), mask (B, T), labels (B,).

        Every action is as likely as any other, however many clips it has; within an action, a
        clip is as likely as it is long.
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
        # Rest is learnt only beside the action, never as an example of it, so a crop grows into
        # it from where the action begins or ends.
        if first > 0 or end < len(clip):
            before, after = (_between(0, settings.margin, generator) for _ in range(2))
            start = max(0, first - before) if start - first < EDGE else start
            stop = min(len(clip), end + after) if end - stop < EDGE else stop
        return clip[start:stop]


def fit(items: Iterable[Labelled], settings: FitSettings | None = None) -> Classifier:
    """Teach a classifier the items whose split is "train"; the others are not looked at.

    The same items and settings give the same classifier on the same machine, and the random
    state of the caller is left alone.

    Raises:
        MeasureError: fewer than two actions to learn, or an unusable motion.
    """
    settings = settings or FitSettings()
    lessons = Lessons.of(items)
    # Initial weights and dropout come from torch's own generator, which is put back afterwards.
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
