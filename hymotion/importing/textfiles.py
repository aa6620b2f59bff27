"""The user's copies of Qwen3-8B and CLIP ViT-L/14: which files count, and whether all are there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hymotion.importing.errors import SourceError
from hymotion.importing.header import FETCH, check_file, read_header
from hymotion.importing.snapshot import HubSnapshot, snapshot
from hymotion.importing.tensors import index_files

SETTINGS = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
"""What a folder may hold besides its weights, and what decides how prompts are encoded."""

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
DOWNLOAD = "Download the whole repository again"


@dataclass(frozen=True)
class Kind:
    """One of the two text models.

    Attributes:
        name: of its folder once installed.
        title: for messages.
        types: what its config.json may call it.
        width: of its hidden states.
        section: of config.json that has the width where it describes more than the text model.
    """

    name: str
    title: str
    types: tuple[str, ...]
    width: int
    section: str | None


def qwen(width: int) -> Kind:
    """The language model, by the width of its hidden states."""
    return Kind("qwen", "Qwen3-8B", ("qwen3",), width, None)


def clip(width: int) -> Kind:
    """CLIP, by the width of its text model."""
    types = ("clip", "clip_text_model")
    return Kind("clip", "CLIP ViT-L/14", types, width, "text_config")


@dataclass(frozen=True)
class TextFiles:
    """A folder that was checked.

    Attributes:
        kind: which model it is.
        source: the folder, and which snapshot it is.
        files: name → file, sorted by name.
    """

    kind: Kind
    source: HubSnapshot
    files: Mapping[str, Path]

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(path.stat().st_size for path in self.files.values())


def text_files(given: Path, kind: Kind) -> TextFiles:
    """Find and check a text model's files; weights are checked by their headers.

    Raises:
        SourceError: it is another model, or a file is missing, cut short or a Git LFS pointer.
    """
    if not given.is_dir():
        problem = f"it is no folder, and {kind.title} is one"
        raise SourceError(problem, mend=DOWNLOAD, path=given)
    source = snapshot(given)
    folder = source.folder
    _check_config(folder / "config.json", kind)
    files = {name: folder / name for name in SETTINGS if (folder / name).exists()}
    _check_tokenizer(folder, files)
    for path in files.values():
        check_file(path)
    for path in _weights(folder, kind):
        files[path.name] = path
    return TextFiles(kind, source, dict(sorted(files.items())))


def _check_config(path: Path, kind: Kind) -> None:
    check_file(path)
    try:
        config = json.loads(path.read_bytes())
        found = config["model_type"]
        section = config
        if kind.section is not None and found != "clip_text_model":
            # Early files of CLIP have what differs from the library's defaults in the second.
            section = config.get(kind.section) or config.get(f"{kind.section}_dict")
        width = section["hidden_size"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"it does not describe {kind.title}: no model_type and hidden_size"
        raise SourceError(problem, mend=DOWNLOAD, path=path) from error
    if found not in kind.types or width != kind.width:
        raise SourceError(
            f"it describes {found} of width {width}, not {kind.title} "
            f"({kind.types[0]} of width {kind.width})",
            mend=f"Give the folder of {kind.title} with --{kind.name}",
            path=path,
        )


def _check_tokenizer(folder: Path, files: Mapping[str, Path]) -> None:
    if "tokenizer.json" in files or {"vocab.json", "merges.txt"} <= files.keys():
        return
    raise SourceError(
        "its tokenizer is missing (tokenizer.json, or vocab.json and merges.txt)",
        mend=DOWNLOAD,
        path=folder,
    )


def _weights(folder: Path, kind: Kind) -> tuple[Path, ...]:
    """The weight files, each whole, and the index where there is one."""
    if (folder / WEIGHTS).exists() or (folder / WEIGHTS).is_symlink():
        read_header(folder / WEIGHTS)
        return (folder / WEIGHTS,)
    index = folder / INDEX
    if not index.exists():
        raise SourceError(
            f"it has no {WEIGHTS} and no {INDEX}",
            mend=f"Download {kind.title} in safetensors; other formats are not read",
            path=folder,
        )
    shards = index_files(index)
    missing = [shard.name for shard in shards if not shard.exists()]
    if missing:
        raise SourceError(
            f"{len(missing)} of {len(shards)} weight files are missing ({', '.join(missing[:3])})",
            mend=DOWNLOAD,
            path=folder,
        )
    held: set[str] = set()
    for shard in shards:
        held |= read_header(shard)
    lacking = sorted(json.loads(index.read_bytes())["weight_map"].keys() - held)
    if lacking:
        problem = f"its files lack tensors that the index names ({', '.join(lacking[:3])})"
        raise SourceError(problem, mend=FETCH, path=index)
    return (index, *shards)
