"""A folder of motions as a dataset: frames, lengths and texts, the same for the same seed.

The folder holds frames and what they show; texts are drawn when they are asked for, so that every
epoch has other words.
"""

import json
import random
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hymotion.training.errors import MocapError
from hymotion.training.phrases.phrases import Texts, own_texts

MANIFEST = "manifest.json"
STATISTICS = "statistics.npz"
VERSION = 2
MEND = "Build the dataset again with python -m hymotion.training.build"


@dataclass(frozen=True, eq=False)
class Item:
    """A motion: (L, 201) frames in metres and 6D rotations, L, and one of its texts."""

    frames: Tensor
    length: int
    text: str


@dataclass(frozen=True, eq=False)
class Batch:
    """Several motions: (B, L, 201) frames, zero after each length; (B,) lengths; B texts."""

    frames: Tensor
    lengths: Tensor
    texts: tuple[str, ...]


class MotionDataset:
    """The motions of one split of a folder.

    Attributes:
        rows: the manifest's entries, in its order: file, actions, takes, frames.
        mean: (201,) over the training split's frames.
        std: (201,) likewise.
        texts: the phrases that prompts are drawn from.
    """

    def __init__(
        self, folder: Path, *, split: str = "train", seed: int = 0, texts: Texts | None = None
    ) -> None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
            with np.load(folder / STATISTICS) as numbers:
                self.mean = torch.from_numpy(numbers["mean"])
                self.std = torch.from_numpy(numbers["std"])
            version, rows = manifest["version"], manifest["motions"]
        except (OSError, ValueError, KeyError) as error:
            where = str(folder)
            raise MocapError(f"is no dataset ({error})", mend=MEND, where=where) from error
        if version != VERSION:
            raise MocapError(f"has version {version}", mend=MEND, where=str(folder))
        self.folder = folder
        self.seed = seed
        self.split = split
        self.texts = own_texts() if texts is None else texts
        self.rows: tuple[dict[str, Any], ...] = tuple(row for row in rows if row["split"] == split)
        if not self.rows:
            raise MocapError(f"has no split {split!r}", mend=MEND, where=str(folder))

    def __len__(self) -> int:
        """How many motions."""
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        """A motion with its text of epoch 0."""
        return self.item(index, epoch=0)

    def item(self, index: int, *, epoch: int) -> Item:
        """A motion with its text of an epoch."""
        frames = self.frames(index)
        return Item(frames, len(frames), self.text(index, epoch=epoch))

    def frames(self, index: int) -> Tensor:
        """(L, 201) frames of a motion."""
        with np.load(self.folder / self.rows[index]["file"]) as file:
            return torch.from_numpy(file["frames"])

    def text(self, index: int, *, epoch: int) -> str:
        """A motion's text, drawn by seed, epoch and index."""
        row = self.rows[index]
        shows = tuple(zip(row["actions"], row["attributes"], strict=True))
        chance = random.Random(f"{self.seed}/{epoch}/{index}")  # noqa: S311 — no secrets
        return self.texts.draw(shows, self.split, chance)

    def order(self, epoch: int) -> list[int]:
        """All indices, shuffled by seed and epoch."""
        indices = list(range(len(self)))
        random.Random(f"{self.seed}/{epoch}").shuffle(indices)  # noqa: S311 — no secrets
        return indices

    def batches(
        self, size: int, *, epoch: int, skip: int = 0, ahead: int = 4, threads: int = 2
    ) -> Iterator[Batch]:
        """The epoch's whole batches, read by threads `ahead` of who takes them.

        Args:
            size: motions a batch; the rest of the epoch that fills no batch is left out.
            epoch: which order and which texts.
            skip: batches to leave out at the start, to go on where a run was cut.
            ahead: batches read before they are asked for.
            threads: that read.
        """
        order = self.order(epoch)
        groups = (order[at : at + size] for at in range(0, len(order) - size + 1, size))
        waiting = islice(groups, skip, None)
        with ThreadPoolExecutor(threads) as pool:
            ready: deque[Future[Batch]] = deque(
                pool.submit(self._batch, group, epoch) for group in islice(waiting, ahead)
            )
            while ready:
                batch = ready.popleft()
                ready.extend(pool.submit(self._batch, group, epoch) for group in islice(waiting, 1))
                yield batch.result()

    def _batch(self, indices: list[int], epoch: int) -> Batch:
        items = [self.item(index, epoch=epoch) for index in indices]
        frames = torch.nn.utils.rnn.pad_sequence([item.frames for item in items], batch_first=True)
        lengths = torch.tensor([item.length for item in items])
        return Batch(frames, lengths, tuple(item.text for item in items))
