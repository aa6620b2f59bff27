"""Writing files a piece at a time, so that gigabytes need no memory, and going on after a cut.

safetensors' own writer wants all bytes at once, which for Full is 4.2 GB beside the source. The
format is simple: the header's length as 8 bytes, a JSON header, then the tensors
(https://huggingface.co/docs/safetensors, "Format"). A file that was cut goes on where it stopped:
what is there is compared with the source, never trusted.
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
"""What the format calls torch's types."""

PIECE = 16 * 2**20
"""Bytes written, hashed and told of at a time."""

ALIGN = 8

OnBytes = Callable[[int], None]
"""Called with the bytes of each piece that is done."""


@dataclass(frozen=True)
class FileDigest:
    """A file's size and the sha256 of its bytes."""

    bytes: int
    sha256: str


def write_pieces(path: Path, pieces: Iterable[bytes], *, on_bytes: OnBytes | None) -> FileDigest:
    """Write a file of pieces.

    It is written as `<name>.part`, synced and renamed. What a cut run left, part or whole, is
    compared with the pieces and kept as far as it is the same.

    Args:
        path: of the file; replaced if it is there.
        pieces: its bytes in order; what they raise ends the writing and leaves the part.
        on_bytes: told after each piece; what it raises likewise.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    if path.is_symlink():
        path.unlink()  # the user's own file is behind it
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
    """What `write_pieces` would write, without writing it."""
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
        tensors: on the CPU, mapped or not; one piece at a time is looked at.
        release: told of each piece's memory once it is done with.

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
    """The first bytes of a safetensors file of these tensors, as far as their numbers.

    Args:
        tensors: in the file's order; the meta device will do.

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
