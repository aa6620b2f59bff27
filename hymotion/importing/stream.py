"""Writing large files piece by piece with little memory, and resuming after an interruption.

The writer of safetensors needs all bytes at once, which for Full is 4.2 GB besides the source. The
format is simple: the header's length as 8 bytes, a JSON header, then the tensors
(https://huggingface.co/docs/safetensors, "Format"). An interrupted file resumes where it stopped;
the existing part is compared with the source, never trusted.
"""

import hashlib
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hymotion.loading.pages import Release

NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
}
"""The format's names of torch's types."""

PIECE = 16 * 2**20
"""Bytes written, hashed and reported at a time."""

ALIGN = 8

OnBytes = Callable[[int], None]
"""Called with the number of bytes of each finished piece."""


@dataclass(frozen=True)
class FileDigest:
    """A file's size and the sha256 of its bytes."""

    bytes: int
    sha256: str


def write_pieces(path: Path, pieces: Iterable[bytes], *, on_bytes: OnBytes | None) -> FileDigest:
    """Write a file from pieces.

    It is written as `<name>.part`, synced and renamed. If an interrupted run left a part or the
    whole file, it is compared with the pieces and kept as far as it is equal.

    Args:
        path: of the file; replaced if it exists.
        pieces: its bytes in order; an exception ends the writing and leaves the part.
        on_bytes: called after each piece; an exception does the same.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    if path.is_symlink():
        path.unlink()  # a link to the user's own file
    elif path.exists():
        path.replace(part)
    digest, done, same = hashlib.sha256(), 0, True
    with part.open("r+b" if part.exists() else "w+b") as file:
        for piece in pieces:
            if same and file.read(len(piece)) != piece:
                same = False
                file.seek(done)
                file.truncate()
            if not same:
                file.write(piece)
            digest.update(piece)
            done += len(piece)
            if on_bytes is not None:
                on_bytes(len(piece))
        file.truncate(done)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return FileDigest(done, digest.hexdigest())


def digest_pieces(pieces: Iterable[bytes], *, on_bytes: OnBytes | None) -> FileDigest:
    """Digest of the file that `write_pieces` would write, without writing it."""
    digest, done = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        done += len(piece)
        if on_bytes is not None:
            on_bytes(len(piece))
    return FileDigest(done, digest.hexdigest())


def file_pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def tensor_pieces(
    tensors: Mapping[str, Tensor], *, release: Release | None = None
) -> Iterator[bytes]:
    """The bytes of a safetensors file of these tensors, in the mapping's order.

    Args:
        tensors: on the CPU, mapped or not; read one piece at a time.
        release: called with each piece's memory once it is no longer needed.

    Raises:
        KeyError: a tensor's type has no name in the format.
    """
    yield header_bytes(tensors)
    for tensor in tensors.values():
        own = tensor.is_contiguous()
        flat = _bytes(tensor)
        for start in range(0, len(flat), PIECE):
            piece = flat[start : start + PIECE]
            yield piece.tobytes()
            if release is not None and own:
                release(piece.ctypes.data, len(piece))


def header_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """The first bytes of a safetensors file of these tensors, up to the tensors' data.

    Args:
        tensors: in the file's order, on any device, even meta.

    Raises:
        KeyError: a tensor's type has no name in the format.
    """
    entries: dict[str, object] = {}
    place = 0
    for name, tensor in tensors.items():
        entries[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + tensor.nbytes],
        }
        place += tensor.nbytes
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGN)
    return struct.pack("<Q", len(text)) + text


def _bytes(tensor: Tensor) -> NDArray[np.uint8]:
    view: NDArray[np.uint8] = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    return view
