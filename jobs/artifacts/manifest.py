"""`manifest.jsonl`: what a batch's folder holds, one line a finished job, written from SQL.

It is derived and replaced as a whole, so that it can be lost, and is never half-written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from jobs.artifacts.atomic import atomic
from jobs.artifacts.temporary import list_parts, sweep
from jobs.domain.batches import Batch, ManifestRow
from jobs.store.store import Store

NAME = "manifest.jsonl"


def manifest_path(batch: Batch) -> Path:
    """Where the batch's manifest is."""
    return Path(batch.output) / batch.name / NAME


def write_manifest(store: Store, batch: Batch) -> Path:
    """Write the manifest anew from the database and note that it was written.

    Temporary files of attempts that were killed are cleared on the way.

    Raises:
        OSError: the folder cannot be written.
    """
    path = manifest_path(batch)
    parts = list_parts(path.parent)
    if parts:
        sweep(parts, store.manifests.running(batch.id))
    # Read before the rows are: what finishes from here on makes the batch dirty again.
    at = store.time()
    with atomic(path) as part, part.open("w", encoding="utf-8") as file:
        for row in store.manifests.manifest_rows(batch.id):
            file.write(json.dumps(_line(row, path.parent), ensure_ascii=False) + "\n")
    store.manifests.mark_manifest(batch.id, at)
    return path


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
                # Relative where it can be, so that a folder may be moved with its manifest.
                "path": os.path.relpath(file.path, folder),
                "size": file.size,
                "sha256": file.sha256,
            }
            for file in row.artifacts
        ],
    }
