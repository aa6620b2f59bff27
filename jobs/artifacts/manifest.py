"""`manifest.jsonl` lists the finished jobs of a batch with their files, one job per line.

It is written from SQL and replaced atomically, so a lost manifest can be written again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from jobs.artifacts.atomic import atomic
from jobs.artifacts.mark import see
from jobs.artifacts.temporary import list_parts, sweep
from jobs.domain.batches import Batch, ManifestRow
from jobs.store.store import Store

NAME = "manifest.jsonl"


def manifest_path(batch: Batch) -> Path:
    """Path of the batch's manifest."""
    return Path(batch.output) / batch.name / NAME


def write_manifest(store: Store, batch: Batch, roots: Sequence[Path] = ()) -> bool:
    """Write the manifest from the database and record the time in the batch's row.

    Also removes the temporary files of killed attempts.

    Args:
        store: the database.
        batch: the batch as just read.
        roots: the folders below which output folders may be; none: anywhere.

    Returns:
        False if this process does not see the batch's folder, or if another one wrote the manifest
        since `batch` was read; nothing is written in these cases.

    Raises:
        OSError: the folder cannot be written.
    """
    if not see(store, batch, roots):
        return False
    path = manifest_path(batch)
    parts = list_parts(path.parent)
    if parts:
        sweep(parts, store.manifests.running(batch.id))
    # Take the time before reading the rows: jobs that finish later make the batch dirty again.
    at = store.time()
    with atomic(path) as part:
        with part.open("x", encoding="utf-8") as file:
            for row in store.manifests.manifest_rows(batch.id):
                file.write(json.dumps(_line(row, path.parent), ensure_ascii=False) + "\n")
        ours = store.manifests.mark_manifest(batch, at, place=lambda: part.replace(path))
        part.unlink(missing_ok=True)
    if ours:
        # Whoever began to write one before will find that it is not wanted, or was killed.
        for other in parts:
            if other.name.startswith(f".{NAME}."):
                other.unlink(missing_ok=True)
    return ours


def _line(row: ManifestRow, folder: Path) -> dict[str, object]:
    return {
        "id": row.custom_id,
        "job": row.id,
        "prompt": row.prompt,
        "original_prompt": row.original_prompt,
        "rewrite": row.rewrite,
        "mode": row.mode,
        "frames": row.frames,
        "seed": row.seed,
        "state": row.state,
        "failure": row.failure,
        "cached_from": row.cached_from,
        "metadata": dict(row.metadata),
        "files": [
            {
                "format": file.format,
                # Relative, so that the folder can be moved with its manifest.
                "path": os.path.relpath(file.path, folder),
                "size": file.size,
                "sha256": file.sha256,
            }
            for file in row.artifacts
        ],
    }
