"""The frames of several motions as the rows of one tensor, one motion after another.

Nothing here waits for the device: which rows belong together follows from the lengths, which the
host knows, and every step over time is a gather or a scan over all rows at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag
from torch.nn.utils.rnn import pad_sequence

CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class FrameRows:
    """The place of each of N rows among the rows of its motion.

    Attributes:
        lengths: frames of each of M motions; their sum is N.
        motion: (N,) index of each row's motion.
        first: (N,) the first row of that motion.
        last: (N,) its last row.
    """

    lengths: tuple[int, ...]
    motion: Tensor
    first: Tensor
    last: Tensor

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device = CPU) -> "FrameRows":
        """The rows of motions of these lengths, each at least 1."""
        counts = torch.tensor(lengths)
        ends = counts.cumsum(0)
        table = torch.stack((torch.arange(len(counts)), ends - counts, ends - 1))
        table = table.repeat_interleave(counts, dim=1)
        if device.type == "cuda":
            # Only from pinned memory can a copy be queued without waiting for the device.
            table = table.pin_memory()
        return cls(tuple(lengths), *table.to(device, non_blocking=True).unbind())

    @property
    def index(self) -> Tensor:
        """(N,) the index of each row."""
        return torch.arange(len(self.motion), device=self.motion.device)

    def around(self, radius: int) -> Tensor:
        """(N, 2 · radius + 1) the rows around each row; beyond an end of its motion, that end."""
        offsets = torch.arange(-radius, radius + 1, device=self.motion.device)
        return (self.index[:, None] + offsets).clamp(self.first[:, None], self.last[:, None])

    def rate(self, values: Tensor) -> Tensor:
        """(N, …) change of values (N, …) per frame: central differences, one-sided at the ends."""
        before, _, after = self.around(1).unbind(1)
        span = (after - before).reshape(-1, *[1] * (values.ndim - 1))
        return (values[after] - values[before]) / span

    def lowest(self, values: Tensor) -> Tensor:
        """(M,) the smallest of (N,) values in each motion."""
        found = values.new_full((len(self.lengths),), torch.inf)
        return found.scatter_reduce(0, self.motion, values, "amin")

    def total(self, values: Tensor) -> Tensor:
        """(M, …) the sum of values over each motion, of its first K rows where they are (K, …)."""
        found = values.new_zeros(len(self.lengths), *values.shape[1:])
        return found.index_add(0, self.motion[: len(values)], values)

    def mean(self, values: Tensor, *, without: int = 0) -> Tensor:
        """(M, …) `total` divided by the frames of each motion, less those that have no value."""
        frames = torch.tensor(self.lengths, device=values.device) - without
        return self.total(values) / frames.reshape(-1, *[1] * (values.ndim - 1))

    def quantile(self, values: Tensor, share: float) -> Tensor:
        """(M,) a quantile of (N,) values in each motion, linear between two of its values."""
        parts = list(values.split_with_sizes(self.lengths))
        lines = pad_sequence(parts, batch_first=True, padding_value=torch.inf)
        place = share * (torch.tensor(self.lengths, device=values.device) - 1).to(values)
        around = torch.stack((place.floor(), place.ceil()), dim=1).long()
        low, high = lines.sort(dim=1).values.gather(1, around).unbind(1)
        return torch.lerp(low, high, place - place.floor())


def weighted(values: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """(N, …) for each row the sum of W rows of values (N, …), by (N, W) indices and weights."""
    flat = values.flatten(1)
    summed: Tensor = embedding_bag(rows, flat, per_sample_weights=weights, mode="sum")
    return summed.reshape(values.shape)


def running_sum(values: Tensor) -> Tensor:
    """Cumulative sum of (N, …) over the rows."""
    # A scan along the last axis runs in parallel on a GPU, one along the first does not.
    lines = values.flatten(1).T.contiguous().cumsum(1)
    return lines.T.reshape(values.shape)


def marked_until(marks: Tensor) -> Tensor:
    """(N, C) the last row at or before each row that is marked in (N, C); −1 if there is none."""
    index = torch.arange(len(marks), device=marks.device)
    lines = torch.where(marks.T, index, -1).contiguous()
    return lines.cummax(1).values.T


def marked_from(marks: Tensor) -> Tensor:
    """(N, C) the first row at or after each row that is marked in (N, C); N if there is none."""
    return len(marks) - 1 - marked_until(marks.flip(0)).flip(0)
