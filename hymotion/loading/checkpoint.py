"""Reading `latest.ckpt` safely: nothing in the file is executed, nothing is guessed.

The file is a `torch.save` zip. It is read with `weights_only=True` and memory-mapped, and its
tensors must be the network's, by name, shape and type.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hymotion.errors import CheckpointError, FileError, TensorMismatchError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
STATE_KEY = "model_state_dict"


def read_checkpoint(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, memory-mapped, checked against `expected`.

    Args:
        path: of `latest.ckpt`.
        expected: tensors of the wanted names, shapes and types; the meta device will do.

    Raises:
        CheckpointError: the file is absent, a Git LFS pointer, cut short, holds anything but
            tensors and plain values, or lacks `model_state_dict`.
        TensorMismatchError: names, shapes or types differ.
    """
    loaded = open_checkpoint(path)
    state = loaded.get(STATE_KEY) if isinstance(loaded, dict) else None
    if not isinstance(state, dict):
        raise _damaged(path, f"it has no {STATE_KEY}")
    check_tensors(path, state, expected)
    return state


def open_checkpoint(path: Path) -> object:
    """What a `torch.save` zip holds, its tensors memory-mapped.

    Raises:
        CheckpointError: the file is absent, a Git LFS pointer, cut short, or holds anything but
            tensors and plain values.
    """
    _check_container(path)
    try:
        loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            "it holds Python objects besides tensors; it was not loaded and nothing in it was run",
            mend="Do not use this file; fetch the checkpoint from its publisher",
            path=path,
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _damaged(path, f"it cannot be read ({str(error).splitlines()[0]})") from error
    return loaded


def checkpoint_digest(path: Path) -> str:
    """12 hex digits that tell checkpoints apart without reading gigabytes.

    They hash the names, sizes and CRC-32 sums in the zip's directory, which `torch.save`
    computes over every tensor.

    Raises:
        CheckpointError: as `read_checkpoint`, for a file that is no whole zip.
    """
    _check_container(path)
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for entry in sorted(archive.infolist(), key=lambda entry: entry.filename):
            # The folder inside the zip is named after the file when it was saved.
            name = entry.filename.partition("/")[2]
            digest.update(f"{name} {entry.file_size} {entry.CRC}\n".encode())
    return digest.hexdigest()[:12]


def _check_container(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(
            "the weights are missing",
            mend="Put the published latest.ckpt there; random weights are never used in its place",
            path=path,
        )
    refuse_pointer(path, CheckpointError)
    # A zip ends with its directory, so a file that was cut short is not a zip.
    if not zipfile.is_zipfile(path):
        size = path.stat().st_size
        raise _damaged(path, f"it is no complete torch checkpoint ({size} bytes, cut short?)")


def _damaged(path: Path, problem: str) -> CheckpointError:
    return CheckpointError(
        problem, mend="Fetch the file again and compare its size with the published one", path=path
    )


def refuse_pointer(path: Path, error: type[FileError]) -> None:
    """Raise the error if a file is only the pointer that Git LFS leaves in its place."""
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise error(
                "it is a Git LFS pointer, not the file itself",
                mend="Run `git lfs pull` in the folder it came from, or download the file itself",
                path=path,
            )


def check_statistics(path: Path, mean: Tensor, std: Tensor) -> None:
    """Raise `CheckpointError` for statistics that frames cannot be normalised with."""
    if not (mean.isfinite().all() and std.isfinite().all() and (std >= 0).all()):
        raise CheckpointError(
            "mean and std are not finite numbers with std ≥ 0",
            mend="Fetch the checkpoint from its publisher again",
            path=path,
        )


def check_tensors(
    path: Path,
    state: Mapping[str, object],
    expected: Mapping[str, Tensor],
    *,
    any_float: bool = False,
) -> None:
    """Compare names, shapes and types, of which any float may do; raises `TensorMismatchError`."""
    found = {str(name): tensor for name, tensor in state.items()}
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    mismatched = [
        f"{name}: file has {describe(found[name])}, network has {describe(tensor)}"
        for name, tensor in expected.items()
        if name in found and not _fits(found[name], tensor, any_float=any_float)
    ]
    if missing or unexpected or mismatched:
        raise TensorMismatchError(
            path=path, missing=missing, unexpected=unexpected, mismatched=mismatched
        )


def _fits(found: object, wanted: Tensor, *, any_float: bool) -> bool:
    if any_float and isinstance(found, Tensor) and found.is_floating_point():
        return found.shape == wanted.shape
    return not any_float and describe(found) == describe(wanted)


def describe(value: object) -> str:
    """Shape and type of a tensor, or what it is instead, for messages."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    shape = "x".join(map(str, value.shape)) or "scalar"
    return f"{shape} {str(value.dtype).removeprefix('torch.')}"
