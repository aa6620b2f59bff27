"""Weights as safetensors: nothing in the file can run, and it is mapped, not copied.

Names and shapes must be the network's; the type may be any float, as half precision on disk is
enough for what is computed in float32.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hymotion.errors import CheckpointError
from hymotion.loading.checkpoint import check_tensors, refuse_pointer

MEND = "Fetch the file again, or install the package again if it came with it"


def read_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, in the types of `expected`.

    Args:
        path: of the safetensors file.
        expected: tensors of the wanted names, shapes and types; the meta device will do.

    Raises:
        CheckpointError: the file is absent, a Git LFS pointer or damaged.
        TensorMismatchError: names or shapes differ, or a tensor is no float.
    """
    if not path.is_file():
        raise CheckpointError("the weights are missing", mend=MEND, path=path)
    refuse_pointer(path, CheckpointError)
    try:
        found = load_file(path)
    except (SafetensorError, OSError) as error:
        problem = f"it cannot be read ({str(error).splitlines()[0]})"
        raise CheckpointError(problem, mend=MEND, path=path) from error
    check_tensors(path, found, expected, any_float=True)
    return {name: found[name].to(tensor.dtype) for name, tensor in expected.items()}


def write_weights(path: Path, state: Mapping[str, Tensor], *, half: bool) -> None:
    """Write tensors; matrices in float16 if `half`, the rest, such as statistics, in float32.

    Raises:
        CheckpointError: a number is beyond what float16 can hold.
    """
    kept: dict[str, Tensor] = {}
    for name, tensor in state.items():
        small = tensor.detach().to(torch.float16 if half and tensor.ndim == 2 else torch.float32)
        if not small.isfinite().all():
            mend = "Write it in float32, or look at the training run"
            raise CheckpointError(f"{name} is not finite in {small.dtype}", mend=mend, path=path)
        kept[name] = small.cpu().contiguous()
    save_file(kept, path)
    path.chmod(0o644)  # the library leaves it to its owner alone


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
