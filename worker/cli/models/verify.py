"""`hymo models verify`: hashes every file of a model again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from jobs.cli.render.tables import note, print_json
from jobs.cli.render.text import clean, file_size, plural
from jobs.domain.installed import Installed
from jobs.errors import NotFoundError
from worker.cli.models.progress import OnBytes, byte_progress

PIECE = 16 * 2**20
OK, CHANGED, MISSING = "ok", "changed", "missing"


def run_verify(home: Path, name: str, *, as_json: bool) -> bool:
    """Whether no file has changed since the import; prints those that have.

    Raises:
        NotFoundError: the model is not imported.
        ModelRecordError: its record cannot be read.
    """
    model = Installed.read(home).models.get(name)
    if model is None:
        raise NotFoundError("imported model", name, "`hymo models list` shows all models")
    files = list(model.sums())
    total = sum(path.stat().st_size for path, _ in files if path.is_file())
    with byte_progress("verifying", total) as on_bytes:
        found = {path: _state(path, sha256, on_bytes) for path, sha256 in files}
    bad = {path: state for path, state in found.items() if state != OK}
    if as_json:
        listed = [{"path": str(path), "state": state} for path, state in found.items()]
        print_json({"schema": "hymo.verify/1", "name": name, "ok": not bad, "files": listed})
    elif not bad:
        files_are = plural(len(found), "file is", "files are")
        note(f"{name}: {files_are} unchanged since the import, {file_size(total)}")
    for path, state in bad.items():
        note(f"hymo: {clean(str(path))} is {state}: remove that part and import it again")
    return not bad


def _state(path: Path, sha256: str, on_bytes: OnBytes) -> str:
    if not path.is_file():
        return MISSING
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            on_bytes(len(piece))
    return OK if digest.hexdigest() == sha256 else CHANGED
