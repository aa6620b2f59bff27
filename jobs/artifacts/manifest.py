"""`manifest.jsonl` lists the finished jobs of a batch with their files, one job per line.

It is written from SQL and replaced atomically, so a lost manifest can be written again.
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
    """Path of the batch's manifest."""
    return Path(batch.output) / batch.name / NAME


def write_manifest(store: Store, batch: Batch) -> Path:
    """Write the manifest from the database and record the time in the batch's row.

    Also removes the temporary files of killed attempts.

    Raises:
        OSError: the folder cannot be written.
    """
    path = manifest_path(batch)
    parts = list_parts(path.parent)
    if parts:
        sweep(parts, store.manifests.running(batch.id))
    # Take the time before reading the rows: jobs that finish later make the batch dirty again.
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
                # Relative, so that the folder can be moved with its manifest.
                "path": os.path.relpath(file.path, folder),
                "size": file.size,
                "sha256": file.sha256,
            }
            for file in row.artifacts
        ],
    }
