"""Mapping the tensors of a file without reading them: checkpoints, state dicts, safetensors."""

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hymotion.errors import brief, shown
from hymotion.importing.causes import PUBLISHED, cause_of_keys
from hymotion.importing.errors import SourceError
from hymotion.importing.header import FETCH, check_file, read_header
from hymotion.loading.checkpoint import STATE_KEY, is_zip, open_checkpoint
from hymotion.parsing.plain_data import PlainDataError, read_json

SAFETENSORS = ".safetensors"
INDEX = ".index.json"
ZIP = b"PK\x03\x04"
NAME = re.compile(r"[\w.-]*\w\.safetensors")
"""The name of a file of an index: no path, and nothing that is not in the index's own folder."""

OLD_TORCH = b"\x80\x02"
"""The first bytes of torch files from before they were zips."""


@dataclass(frozen=True)
class Weights:
    """The contents of a model's weight files.

    Attributes:
        path: of a checkpoint, a safetensors file or the index of several.
        files: that hold the tensors.
        values: name → mapped tensor, or another object if a file is not as it should be.
    """

    path: Path
    files: tuple[Path, ...]
    values: Mapping[str, object]


def open_weights(path: Path) -> Weights:
    """Map a file's tensors; no code in it is run.

    Args:
        path: of a `.ckpt`, `.pt` or `.bin`, a safetensors file, or a safetensors index.

    Raises:
        CheckpointError, SourceError: it is absent, damaged, unsafe, or of another kind; names
            the likely cause.
    """
    if path.name.endswith(SAFETENSORS + INDEX):
        return _indexed(path)
    check_file(path)
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix == SAFETENSORS:
        return Weights(path, (path,), _safetensors(path, head))
    return Weights(path, (path,), _checkpoint(path, head))


def check_sums(path: Path) -> None:
    """Compare every tensor of a checkpoint with its checksum; other files have none.

    An interrupted download in pieces can be a complete zip with holes in it.

    Raises:
        SourceError: names the first entry that differs.
    """
    if not is_zip(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    # NotImplementedError, RuntimeError: a way to pack or to encrypt that no checkpoint uses.
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, EOFError) as error:
        raise SourceError(f"it is damaged ({brief(error)})", mend=FETCH, path=path) from error
    if damaged is not None:
        name = brief(damaged)
        problem = f"it is damaged: {name} does not have the checksum that was saved with it"
        raise SourceError(problem, mend=FETCH, path=path)


def index_files(index: Path) -> tuple[Path, ...]:
    """The files that a safetensors index names, in order.

    Raises:
        SourceError: it is not an index, or names a file outside its folder.
    """
    names = sorted(set(index_map(index).values()))
    strange = [name for name in names if not NAME.fullmatch(name)]
    if not names or strange:
        told = f", not {shown(strange[0])}" if strange else ""
        raise SourceError(f"it must name files in its own folder{told}", mend=FETCH, path=index)
    return tuple(index.with_name(name) for name in names)


def index_map(index: Path) -> dict[str, str]:
    """Tensor → file, as a safetensors index says.

    Raises:
        SourceError: it is not an index.
    """
    check_file(index)
    try:
        loaded = read_json(index)
    except PlainDataError as error:
        problem = f"it is not an index of safetensors files ({error})"
        raise SourceError(problem, mend=FETCH, path=index) from error
    found = loaded.get("weight_map") if isinstance(loaded, dict) else None
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        problem = "it is not an index of safetensors files"
        raise SourceError(problem, mend=FETCH, path=index)
    return found


def _indexed(index: Path) -> Weights:
    files = index_files(index)
    values: dict[str, object] = {}
    for path in files:
        values |= open_weights(path).values
    return Weights(index, files, values)


def _safetensors(path: Path, head: bytes) -> dict[str, Tensor]:
    if head.startswith((ZIP, OLD_TORCH)):
        problem = "it is a torch checkpoint under the name of a safetensors file"
        raise SourceError(problem, mend="Rename it to latest.ckpt", path=path)
    read_header(path)
    try:
        return load_file(path)
    # KeyError: a type of the format that PyTorch does not have.
    except (SafetensorError, OSError, KeyError) as error:
        problem = f"it cannot be read ({brief(error)})"
        raise SourceError(problem, mend=FETCH, path=path) from error


def _checkpoint(path: Path, head: bytes) -> dict[str, object]:
    if head[8:9] == b"{" and not head.startswith(ZIP):
        problem = "it is safetensors already, under the name of a checkpoint"
        raise SourceError(problem, mend="Rename it to weights.safetensors", path=path)
    if head.startswith(OLD_TORCH):
        raise SourceError(
            "it is a torch file in the old format, which cannot be mapped",
            mend=f"{PUBLISHED}, or save it again with torch.save of torch 1.6 or newer",
            path=path,
        )
    loaded = open_checkpoint(path)
    if not isinstance(loaded, dict):
        raise SourceError(f"it holds a {type(loaded).__name__}", mend=PUBLISHED, path=path)
    state = loaded.get(STATE_KEY, loaded)
    plain = isinstance(state, dict) and all(isinstance(key, str) for key in state)
    if not plain or not any(isinstance(value, Tensor) for value in state.values()):
        cause = cause_of_keys([str(key) for key in loaded])
        raise SourceError(cause.why, mend=cause.mend, path=path)
    return dict(state)
