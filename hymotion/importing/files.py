"""What the user's folder holds: which file is the configuration, which the weights."""

from dataclasses import dataclass
from pathlib import Path

from hymotion.importing.errors import SourceError
from hymotion.importing.snapshot import HubSnapshot, snapshot

CONFIG = "config.yml"
NAMED = (
    "latest.ckpt",
    "weights.safetensors",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
)
"""Names of weights, the first that is there is taken."""

PATTERNS = ("*.safetensors", "*.ckpt", "*.pt", "*.pth", "*.bin")
"""Other names of weights, where just one file has one."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of one mode.

    Attributes:
        source: the folder, and which snapshot it is.
        config, weights: of the model.
        inner: whether the folder is the mode's own inside of the publisher's repository.
    """

    source: HubSnapshot
    config: Path
    weights: Path
    inner: bool = False


def model_files(given: Path, *, subfolder: str) -> ModelFiles:
    """Find a model's files.

    Args:
        given: a folder with `config.yml` and weights; one with `subfolder` that has them, as the
            publisher's repository; the same as a repository of the hub's cache; or the weights.
        subfolder: of the wanted mode.

    Raises:
        SourceError: a file is missing, or it is not clear which one is meant.
    """
    if not given.exists():
        raise SourceError("it does not exist", mend="Give the folder of the download", path=given)
    if given.is_file():
        return ModelFiles(snapshot(given.parent), _config(given.parent), given)
    found = snapshot(given)
    folder = found.folder
    if not (folder / CONFIG).is_file() and (folder / subfolder).is_dir():
        folder = folder / subfolder
        found = HubSnapshot(folder, found.repository, found.revision)
    inner = folder.name == subfolder
    return ModelFiles(found, _config(folder), _weights(folder), inner)


def _config(folder: Path) -> Path:
    path = folder / CONFIG
    if not path.is_file():
        raise SourceError(
            f"it has no {CONFIG}",
            mend="Give the folder that holds config.yml and latest.ckpt, as published",
            path=folder,
        )
    return path


def _weights(folder: Path) -> Path:
    for name in NAMED:
        if (folder / name).is_file() or (folder / name).is_symlink():
            return folder / name
    for pattern in PATTERNS:
        found = sorted(folder.glob(pattern))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found[:4])
            raise SourceError(
                f"it has several weight files ({names})",
                mend="Give the path of the one that is meant instead of the folder",
                path=folder,
            )
    raise SourceError(
        "it has no weights (latest.ckpt or a safetensors file)",
        mend="Download latest.ckpt into it; random weights are never used in its place",
        path=folder,
    )
