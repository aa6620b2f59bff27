"""The tensors of a file, mapped and not yet read: checkpoints, state dicts, safetensors."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hymotion.importing.causes import PUBLISHED, cause_of_keys
from hymotion.importing.errors import SourceError
from hymotion.importing.header import FETCH, check_file, read_header
from hymotion.loading.checkpoint import STATE_KEY, open_checkpoint

SAFETENSORS = ".safetensors"
INDEX = ".index.json"
ZIP = b"PK\x03\x04"
OLD_TORCH = b"\x80\x02"
"""What torch's own files began with before they were zips."""


@dataclass(frozen=True)
class Weights:
    """What a model's weight files hold.

    Attributes:
        path: as found: a checkpoint, a safetensors file or the index of several.
        files: with the numbers.
        values: name → tensor, mapped; other things only where a file is not what it should be.
    """

    path: Path
    files: tuple[Path, ...]
    values: Mapping[str, object]


def open_weights(path: Path) -> Weights:
    """Map a file's tensors; nothing in it is run.

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

    A download in pieces that was broken off can be a whole zip with holes in it.

    Raises:
        SourceError: naming the first piece that differs.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        problem = f"it is damaged: {damaged} does not have the checksum that was saved with it"
        raise SourceError(problem, mend=FETCH, path=path)


def index_files(index: Path) -> tuple[Path, ...]:
    """The files that a safetensors index names, in order.

    Raises:
        SourceError: it is no index, or names a file outside its folder.
    """
    check_file(index)
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        inside = all(Path(name).name == name for name in names)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = "it is no index of safetensors files"
        raise SourceError(problem, mend=FETCH, path=index) from error
    if not names or not inside:
        raise SourceError("it names no files beside itself", mend=FETCH, path=index)
    return tuple(index.with_name(name) for name in names)


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
    except SafetensorError as error:
        problem = f"its header cannot be right ({error})"
        raise SourceError(problem, mend=FETCH, path=path) from error


def _checkpoint(path: Path, head: bytes) -> dict[str, object]:
    if head[8:9] == b"{" and not head.startswith(ZIP):
        problem = "it is safetensors already, under the name of a checkpoint"
        raise SourceError(problem, mend="Rename it to weights.safetensors", path=path)
    if head.startswith(OLD_TORCH):
        raise SourceError(
            "it is a torch file of the old kind, which cannot be mapped",
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
