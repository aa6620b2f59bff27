"""Weights as safetensors, which hold no code and are memory-mapped.

Names and shapes must match the network's. Any float type is accepted, as half precision on disk
is enough for computing in float32.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hymotion.errors import CheckpointError, brief
from hymotion.loading.checkpoint import check_tensors, refuse_pointer
from hymotion.parsing.safetensors_header import HeaderError, read_header

MEND = "Fetch the file again, or install the package again if it came with it"


def read_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file, in the types of `expected`.

    Args:
        path: of the safetensors file.
        expected: tensors with the required names, shapes and types, on any device, even meta.

    Raises:
        CheckpointError: the file is absent, a Git LFS pointer or damaged.
        TensorMismatchError: names or shapes differ, or a tensor is not floating point.
    """
    if not path.is_file():
        raise CheckpointError("the weights are missing", mend=MEND, path=path)
    refuse_pointer(path, CheckpointError)
    try:
        read_header(path)
        found = load_file(path)
    # KeyError: a type of the format that PyTorch does not have.
    except (HeaderError, SafetensorError, OSError, KeyError) as error:
        problem = f"it cannot be read ({brief(error)})"
        raise CheckpointError(problem, mend=MEND, path=path) from error
    check_tensors(path, found, expected, any_float=True)
    return {name: found[name].to(tensor.dtype) for name, tensor in expected.items()}


def write_weights(path: Path, state: Mapping[str, Tensor], *, half: bool) -> None:
    """Write tensors: matrices in float16 if `half`, everything else in float32.

    Raises:
        CheckpointError: a value overflows float16.
    """
    kept: dict[str, Tensor] = {}
    for name, tensor in state.items():
        small = tensor.detach().to(torch.float16 if half and tensor.ndim == 2 else torch.float32)
        if not small.isfinite().all():
            mend = "Write it in float32, or check the training run"
            raise CheckpointError(f"{name} is not finite in {small.dtype}", mend=mend, path=path)
        kept[name] = small.cpu().contiguous()
    save_file(kept, path)
    path.chmod(0o644)  # the library makes it readable only by its owner


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
