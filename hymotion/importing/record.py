"""`model.json`, the record of what is installed, which the rest of the program reads."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hymotion.importing.errors import SourceError
from hymotion.importing.snapshot import HubSnapshot
from hymotion.importing.stream import FileDigest
from hymotion.parsing.plain_data import PlainDataError, read_json

SCHEMA = 1
FILE = "model.json"
Record = dict[str, Any]


def read_record(folder: Path, name: str) -> Record:
    """The record of a model's folder, empty if nothing is installed.

    Raises:
        SourceError: it is damaged, or of a version unknown to this program.
    """
    path = folder / FILE
    try:
        record = read_json(path)
    except FileNotFoundError:
        return {
            "schema": SCHEMA, "name": name, "imported_at": None, "modes": {}, "text": None,
            "licence": {}, "sources": [],
        }  # fmt: skip
    except PlainDataError as error:
        problem = f"it is not JSON ({error})"
        raise SourceError(problem, mend=f"Remove {folder} and import again", path=path) from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise SourceError(
            f"it is not of schema {SCHEMA}, which this program knows",
            mend="Use the version of hymo that wrote it, or remove the model and import again",
            path=path,
        )
    if not _sound(record):
        problem = "it lacks or misstates what an import records"
        raise SourceError(problem, mend=f"Remove {folder} and import again", path=path)
    return record


def _sound(record: Record) -> bool:
    """Whether the parts of a record that an import reads are of the right types."""
    modes, text, sources = record.get("modes"), record.get("text"), record.get("sources")
    if not isinstance(modes, dict) or not isinstance(record.get("licence"), dict):
        return False
    parts = [*modes.values(), *([] if text is None else [text])]
    files = [part.get("files", {}) for part in parts if isinstance(part, dict)]
    return (
        isinstance(sources, list)
        and all(isinstance(each, dict) and isinstance(each.get("part"), str) for each in sources)
        and all(isinstance(each, dict) and {"folder", "revision"} <= each.keys() for each in parts)
        and all(isinstance(each, dict) for each in files)
        and all(isinstance(modes[name].get("bytes"), int) for name in modes)
    )


def write_record(folder: Path, record: Record) -> None:
    """Write the record atomically."""
    path = folder / FILE
    part = path.with_name(f".{FILE}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def source_entry(
    part: str, kind: str, source: HubSnapshot, files: Mapping[Path, FileDigest]
) -> dict[str, Any]:
    """The entry of a part's source in the record.

    Args:
        part: of the model.
        kind: kind of the folder, such as "weights" or "qwen".
        source: the folder.
        files: each with its size and hash when it was read.
    """
    return {
        "part": part,
        "kind": kind,
        "path": str(source.folder.absolute()),
        "repository": source.repository,
        "revision": source.revision,
        "files": [
            {"name": path.name, "bytes": written.bytes, "sha256": written.sha256}
            for path, written in files.items()
        ],
    }
