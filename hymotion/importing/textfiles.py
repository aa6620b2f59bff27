"""Finding and checking the files of the user's copies of Qwen3-8B and CLIP ViT-L/14."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hymotion.errors import brief, shown
from hymotion.importing.errors import SourceError
from hymotion.importing.header import FETCH, check_file, read_header
from hymotion.importing.snapshot import HubSnapshot, snapshot
from hymotion.importing.tensors import index_files, index_map
from hymotion.text.errors import EncoderFileError
from hymotion.text.folder import read_config

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
"""Files besides the weights that determine how prompts are encoded."""

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
DOWNLOAD = "Download the whole repository again"


@dataclass(frozen=True)
class Kind:
    """One of the two text models.

    Attributes:
        name: of its folder once installed.
        title: its name in messages.
        types: values of model_type in its config.json.
        width: of its hidden states.
        section: of config.json that has the width, if that describes more than the text model.
    """

    name: str
    title: str
    types: tuple[str, ...]
    width: int
    section: str | None


def qwen(width: int) -> Kind:
    """The language model, with the given width of its hidden states."""
    return Kind("qwen", "Qwen3-8B", ("qwen3",), width, None)


def clip(width: int) -> Kind:
    """CLIP, with the given width of its text model."""
    types = ("clip", "clip_text_model")
    return Kind("clip", "CLIP ViT-L/14", types, width, "text_config")


@dataclass(frozen=True)
class TextFiles:
    """A folder that was checked.

    Attributes:
        kind: the text model it holds.
        source: the folder, with its snapshot.
        files: name → file, sorted by name.
    """

    kind: Kind
    source: HubSnapshot
    files: Mapping[str, Path]

    @property
    def bytes(self) -> int:
        """Total size of all files, in bytes."""
        return sum(path.stat().st_size for path in self.files.values())


def text_files(given: Path, kind: Kind) -> TextFiles:
    """Find and check a text model's files; weights are checked by their headers.

    Raises:
        SourceError: it is another model, or a file is missing, cut short or a Git LFS pointer.
    """
    if not given.is_dir():
        problem = f"it is not a folder, but {kind.title} needs one"
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
        config = read_config(path.parent)
        found = config["model_type"]
        section: Any = config
        if kind.section is not None and found != "clip_text_model":
            # Early CLIP files keep non-default values in the `_dict` section.
            section = config.get(kind.section) or config.get(f"{kind.section}_dict")
        width = section["hidden_size"]
    except EncoderFileError as error:
        why = error.problem.removeprefix(f"{path}: ")
        problem = f"it does not describe {kind.title}: it {why}"
        raise SourceError(problem, mend=DOWNLOAD, path=path) from error
    except (KeyError, TypeError) as error:
        problem = f"it does not describe {kind.title}: no model_type and hidden_size"
        raise SourceError(problem, mend=DOWNLOAD, path=path) from error
    if found not in kind.types or width != kind.width:
        raise SourceError(
            f"it describes {brief(found)} of width {shown(width)}, not {kind.title} "
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
    """The weight files, checked to be complete, and the index if there is one."""
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
        first = ", ".join(map(brief, missing[:3]))
        raise SourceError(
            f"{len(missing)} of {len(shards)} weight files are missing ({first})",
            mend=DOWNLOAD,
            path=folder,
        )
    held: set[str] = set()
    for shard in shards:
        held |= read_header(shard)
    lacking = sorted(index_map(index).keys() - held)
    if lacking:
        first = ", ".join(map(brief, lacking[:3]))
        problem = f"its files lack tensors that the index names ({first})"
        raise SourceError(problem, mend=FETCH, path=index)
    return (index, *shards)
