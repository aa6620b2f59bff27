"""Samples in a file, for the processes that build a dataset together: float64, nothing rounded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hymotion.training.dataset.holding import Sway
from hymotion.training.dataset.sample import Sample
from hymotion.training.mocap.clip import Clip


def save_samples(samples: Sequence[Sample], sway: Sway, file: Path) -> None:
    """Write samples, and how somebody sways who stands, to an `.npz`."""
    arrays: dict[str, Any] = {"sway": sway.turns.numpy()}
    about: list[dict[str, object]] = []
    for number, sample in enumerate(samples):
        clip = sample.clip
        arrays[f"rotations_{number}"] = clip.rotations.numpy()
        arrays[f"trans_{number}"] = clip.trans.numpy()
        shows = [[action, dict(attributes)] for action, attributes in sample.shows]
        about.append(
            {
                "name": clip.name,
                "source": clip.source,
                "take": clip.take,
                "label": clip.label,
                "split": sample.split,
                "shows": shows,
            }
        )
    arrays["about"] = np.array(json.dumps(about))
    np.savez(file, **arrays)


def load_samples(file: Path) -> tuple[list[Sample], Sway]:
    """What `save_samples` wrote."""
    samples: list[Sample] = []
    with np.load(file) as arrays:
        for number, about in enumerate(json.loads(str(arrays["about"]))):
            shows = tuple((action, attributes) for action, attributes in about.pop("shows"))
            split = about.pop("split")
            rotations = torch.from_numpy(arrays[f"rotations_{number}"])
            trans = torch.from_numpy(arrays[f"trans_{number}"])
            samples.append(Sample(Clip(rotations=rotations, trans=trans, **about), shows, split))
        return samples, Sway(torch.from_numpy(arrays["sway"]))
