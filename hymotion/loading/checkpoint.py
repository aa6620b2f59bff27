"""Reading `latest.ckpt` safely: no code in the file is executed.

The file is a `torch.save` zip. It is read with `weights_only=True` and memory-mapped, and its
tensors must match the network's in name, shape and type.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hymotion.errors import CheckpointError, FileError, TensorMismatchError, brief

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
STATE_KEY = "model_state_dict"


def read_checkpoint(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a checkpoint, memory-mapped, checked against `expected`.

    Args:
        path: of `latest.ckpt`.
        expected: tensors with the required names, shapes and types, on any device, even meta.

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
    """The contents of a `torch.save` zip, with memory-mapped tensors.

    Raises:
        CheckpointError: the file is absent, a Git LFS pointer, cut short, compressed, or holds
            anything but tensors and plain values.
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
    # What a damaged file makes of the library's steps can be an error of any type.
    except Exception as error:
        problem = f"it cannot be read ({type(error).__name__}: {brief(error)})"
        raise _damaged(path, problem) from error
    return loaded


def checkpoint_digest(path: Path) -> str:
    """12 hex digits that identify a checkpoint without reading gigabytes.

    They hash the names, sizes and CRC-32 checksums in the zip's directory, which `torch.save`
    computes for every tensor.

    Raises:
        CheckpointError: the file is absent, a Git LFS pointer or not a complete zip.
    """
    _check_container(path)
    digest = hashlib.sha256()
    for entry in sorted(_entries(path), key=lambda entry: entry.filename):
        # The folder inside the zip has the name of the file that was saved.
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
    if not is_zip(path):
        size = path.stat().st_size
        raise _damaged(path, f"it is not a complete torch checkpoint ({size} bytes, cut short?)")
    entries = _entries(path)
    # A few bytes may be compressed to gigabytes, or named by many entries.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _damaged(path, "it cannot be read (it is compressed, as no torch checkpoint is)")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:
        raise _damaged(path, "it cannot be read (its contents are larger than the file)")


def _entries(path: Path) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, f"it cannot be read ({brief(error)})") from error


def is_zip(path: Path) -> bool:
    """Whether a file ends with the directory of a zip; raises `OSError`."""
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # of a kind that Python does not read
        return False


def _damaged(path: Path, problem: str) -> CheckpointError:
    return CheckpointError(
        problem, mend="Fetch the file again and compare its size with the published one", path=path
    )


def refuse_pointer(path: Path, error: type[FileError]) -> None:
    """Raise the error if a file is a Git LFS pointer instead of the file itself."""
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise error(
                "it is a Git LFS pointer, not the file itself",
                mend="Run `git lfs pull` in the folder it came from, or download the file itself",
                path=path,
            )


def check_statistics(path: Path, mean: Tensor, std: Tensor) -> None:
    """Raise `CheckpointError` for statistics that cannot normalise frames."""
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
    """Compare names, shapes and types; `any_float` allows any float type.

    Raises:
        TensorMismatchError: they differ.
    """
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
    """Shape and type of a tensor, or the type of another object, for messages."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    if value.layout != torch.strided:
        return f"a {value.layout} tensor"
    shape = "x".join(map(str, value.shape)) or "scalar"
    return f"{shape} {str(value.dtype).removeprefix('torch.')}"
