"""A folder of motions as a dataset: frames, lengths and texts, the same for the same seed.

The folder holds frames and what they show; texts are drawn when they are asked for, so that every
epoch has other words.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from hymotion.training.errors import MocapError
from hymotion.training.phrases.phrases import Phrases, own_texts

MANIFEST = "manifest.json"
STATISTICS = "statistics.npz"
VERSION = 2
MEND = "Build the dataset again with python -m hymotion.training.build"


class MotionDataset:
    """The motions of one split of a folder.

    Attributes:
        rows: the manifest's entries, in its order: file, actions, takes, frames.
        mean: (201,) over the training split's frames.
        std: (201,) likewise.
        texts: the phrases that prompts are drawn from.
        epoch: whose texts `dataset[index]` gives.
    """

    def __init__(
        self, folder: Path, *, split: str = "train", seed: int = 0, texts: Phrases | None = None
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
        self.epoch = 0
        self.split = split
        self.texts = own_texts() if texts is None else texts
        self.rows: tuple[dict[str, Any], ...] = tuple(row for row in rows if row["split"] == split)
        if not self.rows:
            raise MocapError(f"has no split {split!r}", mend=MEND, where=str(folder))

    def __len__(self) -> int:
        """How many motions."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, str]:
        """(L, 201) frames of a motion, and its text of `epoch`."""
        return self.frames(index), self.text(index, epoch=self.epoch)

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


def collate(items: Sequence[tuple[Tensor, str]]) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """A batch for `torch.utils.data.DataLoader`: (B, L, 201) frames, zero after each motion's own;
    (B,) how many are its own; B texts."""
    frames, texts = zip(*items, strict=True)
    lengths = torch.tensor([len(each) for each in frames])
    return pad_sequence(list(frames), batch_first=True), lengths, texts
