"""All motions of a dataset on the training device, and what each step draws from them.

The motions fit into the memory of any card (some hundred megabytes), where a batch is one gather.
A step's lesson depends on the seed and the step's number alone, so that a run that was cut goes on
with what it would have seen, and several processes share one lesson without a word.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hymotion.training.dataset.motion_dataset import MotionDataset
from hymotion.training.dataset.sample import STEADY
from hymotion.training.fit.learner import Lesson
from hymotion.training.fit.objective import Statistics
from hymotion.training.fit.prompts import Prompts
from hymotion.training.fit.recipe import Recipe

EDGES = (64, 96, 136, 184, 240, 360)
"""Motions up to the same edge are drawn together, so that little is padding."""

SEQUENCES = 0.35
"""Share of the draws that show two actions."""

SHORTEST = 20


@dataclass(frozen=True, eq=False)
class Corpus:
    """The motions.

    Attributes:
        frames: (N, 201) normalised frames of all motions, one after the other.
        starts: (M,) each motion's first frame.
        lengths: (M,) its frames.
        steady: (M,) bool, whether it may be cut anywhere.
        groups: motions of similar length.
        prompts: of every motion.
        statistics: of the frames.
    """

    frames: Tensor
    starts: Tensor
    lengths: Tensor
    steady: Tensor
    groups: tuple["LengthGroup", ...]
    prompts: Prompts
    statistics: Statistics

    @classmethod
    def of(cls, dataset: MotionDataset, *, prompts: Prompts, device: torch.device) -> "Corpus":
        """Read a whole split."""
        items = [dataset.frames(index) for index in range(len(dataset))]
        lengths = torch.tensor([len(item) for item in items])
        plain = Statistics(dataset.mean, dataset.std, torch.ones(1))
        normalised = [plain.normalised(item) for item in items]
        changes = torch.cat([torch.diff(item, dim=0) for item in normalised])
        statistics = Statistics(dataset.mean, dataset.std, changes.std(0))
        groups = grouped(lengths, _weights(dataset))
        steady = [len(row["actions"]) == 1 and row["actions"][0] in STEADY for row in dataset.rows]
        return cls(
            frames=torch.cat(normalised).to(device),
            starts=(lengths.cumsum(0) - lengths).to(device),
            lengths=lengths.to(device),
            steady=torch.tensor(steady).to(device),
            groups=groups,
            prompts=prompts.to(device),
            statistics=statistics.to(device),
        )

    def lesson(self, step: int, recipe: Recipe, *, rank: int, size: int) -> Lesson:
        """What process `rank` of `size` learns in a step; together they see one batch.

        The batch has a multiple of `size` motions, of which each takes every size-th.
        """
        source = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        shares = torch.tensor([group.share for group in self.groups], dtype=torch.float64)
        group = self.groups[int(torch.multinomial(shares, 1, generator=source))]
        count = max(1, recipe.batch_frames // group.longest // size) * size
        rows = group.rows[torch.multinomial(group.weights, count, True, generator=source)]
        draw = torch.rand(count, 4, generator=source)
        device = self.frames.device
        rows, draw = rows.to(device), draw.to(device)
        lengths = self._cut(rows, draw[:, 0], draw[:, 1], recipe.crop)
        mine = slice(rank, None, size)
        return self._of(
            rows[mine],
            lengths[mine],
            recipe,
            untold=draw[mine, 2] < recipe.drop_text,
            pick=draw[mine, 3],
            total=lengths.sum() / size,
            seed=(recipe.seed * 1_000_003 + step) * size + rank,
            length=group.longest,
        )

    def _cut(self, rows: Tensor, draw: Tensor, share: Tensor, often: float) -> Tensor:
        """Lengths, some of steady motions cut to between SHORTEST and all their frames."""
        lengths = self.lengths[rows]
        cut = SHORTEST + (share * (lengths - SHORTEST + 1)).long()
        return torch.where(self.steady[rows] & (draw < often), cut, lengths)

    def _of(
        self,
        rows: Tensor,
        lengths: Tensor,
        recipe: Recipe,
        *,
        untold: Tensor,
        pick: Tensor,
        total: Tensor,
        seed: int,
        length: int,
    ) -> Lesson:
        device = self.frames.device
        source = torch.Generator(device).manual_seed(seed)
        # All lessons of a group have one shape, so that few kernels serve them all.
        index = torch.arange(length, device=device)
        valid = index < lengths[:, None]
        places = (self.starts[rows, None] + index).where(valid, 0)
        motion = self.frames[places].where(valid[..., None], 0.0)
        chosen = (pick * self.prompts.forms.shape[1]).long()
        tokens = self.prompts.lengths[rows, chosen]
        forms = self.prompts.forms[rows, chosen]
        words = self.prompts.known[forms]
        hidden = torch.rand(forms.shape, generator=source, device=device) < recipe.drop_word
        return Lesson(
            motion=motion,
            lengths=lengths,
            words=words.masked_fill(hidden, 0),
            forms=forms,
            tokens=tokens,
            noise=torch.randn(motion.shape, generator=source, device=device),
            t=_times(len(rows), source, device),
            untold=untold,
            total=total,
        )


@dataclass(frozen=True, eq=False)
class LengthGroup:
    """Motions of similar length.

    Attributes:
        rows: (m,) which motions.
        weights: (m,) how often each is drawn.
        longest: frames that a lesson has room for.
    """

    rows: Tensor
    weights: Tensor
    longest: int

    @property
    def share(self) -> float:
        """How often the group must be drawn, as a batch of long motions has few of them."""
        return float(self.weights.sum()) * self.longest


def _times(count: int, source: torch.Generator, device: torch.device) -> Tensor:
    """Flow times, logit-normal with mean 0 and deviation 1.2, spread evenly over the batch.

    The middle of the way is where text decides (Esser et al. 2024, section 3.1); evenly spread
    draws have less variance than independent ones.
    """
    inside = torch.rand(count, generator=source, device=device)
    share = (torch.arange(count, device=device) + inside) / count
    share = share[torch.randperm(count, generator=source, device=device)]
    normal = torch.special.ndtri(share.clamp(1e-5, 1 - 1e-5))
    return torch.sigmoid(1.2 * normal)


def _weights(dataset: MotionDataset) -> Tensor:
    """(M,) draw every action as often as any other, and sequences their share."""
    kinds = [tuple(row["actions"]) for row in dataset.rows]
    single = Counter(kind for kind in kinds if len(kind) == 1)
    double = sum(len(kind) > 1 for kind in kinds)
    share = SEQUENCES if double and single else float(not single)
    return torch.tensor(
        [
            share / double if len(kind) > 1 else (1 - share) / len(single) / single[kind]
            for kind in kinds
        ],
        dtype=torch.float64,
    )


def grouped(lengths: Tensor, weights: Tensor) -> tuple[LengthGroup, ...]:
    """The rows of similar (M,) lengths together, each with its (M,) weight."""
    groups: list[LengthGroup] = []
    for low, high in zip((0, *EDGES[:-1]), EDGES, strict=True):
        [rows] = torch.nonzero((lengths > low) & (lengths <= high), as_tuple=True)
        if len(rows):
            groups.append(LengthGroup(rows, weights[rows], high))
    return tuple(groups)


def drawn_prompts(dataset: MotionDataset, count: int) -> list[Sequence[str]]:
    """`count` prompts of each motion."""
    return [
        [dataset.text(index, epoch=epoch) for epoch in range(count)]
        for index in range(len(dataset))
    ]
