"""The reference's file: an `.npz` of statistics of real clips, without the clips or pickle."""

import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch

from hymotion.errors import MeasureError, brief
from hymotion.metrics.descriptor import NUMBERS
from hymotion.metrics.frechet import Reference
from hymotion.metrics.moments import ClipSums
from hymotion.metrics.space import Space

FORMAT = 1
"""Version of the file and of the descriptors behind the statistics."""

SHIPPED = "reference.npz"
SPACE = ("mean", "scale", "axes", "centre", "spread")


def load_reference() -> Reference:
    """The bundled reference, made from real clips of all of the judge's actions.

    Raises:
        MeasureError: the package lacks the file.
    """
    return read_reference(Path(str(files("hymotion.metrics") / SHIPPED)))


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference in float32; the folder must exist.

    Only the upper triangle of each clip's symmetric sums is stored.
    """
    sums = reference.sums
    rows, columns = torch.triu_indices(*sums.second.shape[1:])
    arrays = dict(zip(SPACE, reference.space.tensors(), strict=True))
    arrays |= {"count": sums.count, "first": sums.first, "second": sums.second[:, rows, columns]}
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            format=np.array(FORMAT),
            **{name: tensor.numpy().astype("<f4") for name, tensor in arrays.items()},
        )


def read_reference(path: Path) -> Reference:
    """Read a reference that `save_reference` wrote.

    Raises:
        MeasureError: the file is absent, damaged, of another version, or not a reference.
    """
    try:
        # np.load does not close a file that it opened itself if it is not a zip.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return _reference(arrays)
    except (OSError, EOFError, zipfile.BadZipFile, ValueError, KeyError, RuntimeError) as error:
        raise MeasureError(
            f"{path}: no reference can be read ({brief(error)})",
            mend="Make one with python -m hymotion.evaluation.judge",
            field="path",
            value=path,
        ) from error


def _reference(arrays: dict[str, np.ndarray]) -> Reference:
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {arrays['format']}, this code reads {FORMAT}")
    tensors = {
        name: torch.from_numpy(arrays[name]).double()
        for name in (*SPACE, "count", "first", "second")
    }
    space = Space(**{name: tensors[name] for name in SPACE})
    if space.axes.shape[0] != NUMBERS:
        raise ValueError(f"{space.axes.shape[0]} numbers a window, this code has {NUMBERS}")
    upper, size = tensors["second"], len(space.centre)
    rows, columns = torch.triu_indices(size, size)
    second = upper.new_zeros(len(upper), size, size)
    second[:, rows, columns] = upper
    second[:, columns, rows] = upper
    sums = ClipSums(count=tensors["count"], first=tensors["first"], second=second)
    return Reference(space=space, sums=sums)
