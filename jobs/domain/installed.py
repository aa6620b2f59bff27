"""The models installed under a home, read from their `model.json`; imports none of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.errors import ModelRecordError, shown

SCHEMA = 1
FOLDER = "models"
FILE = "model.json"
#: Bytes that are read of a record, and characters that a text in it may have.
MAX_FILE = 16 * 2**20
MAX_TEXT = 400


@dataclass(frozen=True)
class InstalledMode:
    """The network of one mode.

    Attributes:
        folder: contains `config.yml` and `weights.safetensors`.
        revision: revision of the weights: `st-` and the beginning of `sha256`.
        sha256: checksum of the weights file.
        config_sha256: checksum of the configuration.
        bytes: size of the weights file.
        numbers: number of parameters.
        linked: whether the weights file is a link to the user's file.
    """

    folder: Path
    revision: str
    sha256: str
    config_sha256: str
    bytes: int
    numbers: int
    linked: bool


@dataclass(frozen=True)
class InstalledText:
    """The text encoder, or only the revision of one that is installed on other machines.

    Attributes:
        folder: contains its files; None if only the revision is known.
        revision: identifies everything that the embeddings depend on.
        bytes, qwen_bytes, clip_bytes: size of all files, and of the two models' files.
        files: name inside the folder → sha256.
        linked: whether the models' files are links to the user's files.
    """

    folder: Path | None
    revision: str
    bytes: int
    qwen_bytes: int
    clip_bytes: int
    files: Mapping[str, str]
    linked: bool


@dataclass(frozen=True)
class InstalledModel:
    """An imported model.

    Attributes:
        name: the name that jobs use.
        folder: contains all its files.
        imported_at: time of the last import, ISO-8601 in UTC.
        modes: mode → its network; one or both.
        text: its text encoder; None if none was recorded.
        licence, sources: as recorded by the import.
    """

    name: str
    folder: Path
    imported_at: str
    modes: Mapping[str, InstalledMode]
    text: InstalledText | None
    licence: Mapping[str, Any]
    sources: tuple[Mapping[str, Any], ...]

    @property
    def bytes(self) -> int:
        """Size of all files, including linked ones."""
        text = 0 if self.text is None else self.text.bytes
        return text + sum(mode.bytes for mode in self.modes.values())

    def revision(self, mode: str) -> str:
        """The revision that a mode's motions depend on: of its weights and of the text encoder."""
        weights = self.modes[mode].revision
        return weights if self.text is None else f"{weights}+{self.text.revision}"

    def sums(self) -> Iterator[tuple[Path, str]]:
        """Every file with its expected sha256."""
        for mode in self.modes.values():
            yield mode.folder / "config.yml", mode.config_sha256
            yield mode.folder / "weights.safetensors", mode.sha256
        if self.text is not None and self.text.folder is not None:
            for name, sha256 in self.text.files.items():
                yield self.text.folder / name, sha256


@dataclass(frozen=True)
class Installed:
    """The models under a home, by name."""

    models: Mapping[str, InstalledModel]

    @classmethod
    def read(cls, home: Path) -> Installed:
        """Read every `models/*/model.json`; folders without one are ignored.

        Raises:
            ModelRecordError: a file is damaged or has an unknown schema version.
        """
        found = (_model(path) for path in sorted((home / FOLDER).glob(f"[!.]*/{FILE}")))
        return cls({model.name: model for model in found})


def _model(path: Path) -> InstalledModel:
    folder = path.parent
    try:
        with path.open("rb") as file:
            record = json.loads(file.read(MAX_FILE))
        schema = record["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelRecordError(str(path), f"cannot be read ({error})") from error
    if schema != SCHEMA:
        known = f"this program knows {SCHEMA}"
        raise ModelRecordError(str(path), f"is of schema {shown(schema)}, {known}")
    try:
        return InstalledModel(
            name=folder.name,
            folder=folder,
            imported_at=_text_of(record["imported_at"]),
            modes={name: _mode(folder, entry) for name, entry in record["modes"].items()},
            text=None if record["text"] is None else _text(folder, record["text"]),
            licence=dict(record.get("licence") or {}),
            sources=tuple(map(dict, record.get("sources") or ())),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelRecordError(str(path), f"lacks or misstates {error}") from error


def _mode(folder: Path, entry: Mapping[str, Any]) -> InstalledMode:
    return InstalledMode(
        folder=_inside(folder, entry["folder"]),
        revision=_text_of(entry["revision"]),
        sha256=_text_of(entry["sha256"]),
        config_sha256=_text_of(entry["config_sha256"]),
        bytes=_count(entry["bytes"]),
        numbers=_count(entry["numbers"]),
        linked=bool(entry["linked"]),
    )


def _text(folder: Path, entry: Mapping[str, Any]) -> InstalledText:
    inner = entry["folder"]
    files = dict(entry.get("files") or {})
    for name, sha256 in files.items():
        _inside(folder, name)
        _text_of(sha256)
    return InstalledText(
        folder=None if inner is None else _inside(folder, inner),
        revision=_text_of(entry["revision"]),
        bytes=_count(entry["bytes"]),
        qwen_bytes=_count(entry["qwen_bytes"]),
        clip_bytes=_count(entry["clip_bytes"]),
        files=files,
        linked=bool(entry.get("linked")),
    )


def _text_of(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise ValueError(f"{shown(value)}, which is not a short text")
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{shown(value)}, which is not a number of bytes")
    return value


def _inside(folder: Path, name: object) -> Path:
    """A path of the record; never one outside the model's folder."""
    path = Path(_text_of(name))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{shown(name)}, which is not in the model's folder")
    return folder / path
