"""Where a part came from, as `model.json` records it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hymotion.importing.snapshot import HubSnapshot
from hymotion.importing.stream import FileDigest


def source_entry(
    part: str, kind: str, source: HubSnapshot, files: Mapping[Path, FileDigest]
) -> dict[str, Any]:
    """A source of a part.

    Args:
        part: of the model.
        kind: what the folder is, such as "weights" or "qwen".
        source: the folder.
        files: each with its size and hash, as they were read.
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
