"""The classifier's file: an `.npz` of its tensors and the names of its actions, no pickle."""

import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from hymotion.errors import MeasureError, brief
from hymotion.metrics.actionnet import ActionNet
from hymotion.metrics.classifier import Classifier
from hymotion.metrics.features import FEATURES

FORMAT = 1
"""Version of the file and of the features that the network was trained on."""


SHIPPED = "judge.npz"


def load_judge() -> Classifier:
    """The bundled judge, which was trained on real clips.

    Raises:
        MeasureError: the package lacks the file.
    """
    return load_classifier(Path(str(files("hymotion.metrics") / SHIPPED)))


def save_classifier(classifier: Classifier, path: Path) -> None:
    """Write a classifier; the folder must exist."""
    tensors = {f"net.{name}": one.numpy() for name, one in classifier.network.state_dict().items()}
    with path.open("wb") as file:
        np.savez(
            file,
            allow_pickle=False,
            format=np.array(FORMAT),
            actions=np.array(classifier.actions),
            **tensors,
        )


def load_classifier(path: Path) -> Classifier:
    """Read a classifier that `save_classifier` wrote.

    Raises:
        MeasureError: the file is absent, damaged, of another version, or not a classifier.
    """
    try:
        # np.load does not close a file that it opened itself if it is not a zip.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _classifier(arrays)
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError, RuntimeError) as error:
        raise MeasureError(
            f"{path}: no classifier can be read ({brief(error)})",
            mend="Fit one and save it with save_classifier",
            field="path",
            value=path,
        ) from error


def _classifier(arrays: dict[str, np.ndarray]) -> Classifier:
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {arrays['format']}, this code reads {FORMAT}")
    actions = tuple(str(name) for name in arrays["actions"])
    width, features = arrays["net.enter.weight"].shape
    if features != FEATURES:
        raise ValueError(f"{features} features, this code has {FEATURES}")
    network = ActionNet(actions=len(actions), width=width, dropout=0.0)
    network.load_state_dict(
        {
            name.removeprefix("net."): torch.from_numpy(array)
            for name, array in arrays.items()
            if name.startswith("net.")
        }
    )
    return Classifier(actions=actions, network=network.eval().requires_grad_(False))
