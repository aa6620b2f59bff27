"""`hymo models remove`: removes a model or a part of it.

`model.json` is rewritten first, so that it never names files that are gone.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from jobs.artifacts.atomic import atomic
from jobs.cli.render.tables import note, print_json
from jobs.cli.render.text import clean, file_size
from jobs.domain.catalog import CATALOG
from jobs.domain.installed import FILE, FOLDER
from jobs.errors import NotFoundError
from worker.errors import WorkerError
from worker.locks import models_lock


class BundledModelError(WorkerError):
    """A model that is bundled with the package cannot be removed."""

    exit_code = 2

    def __init__(self, name: str) -> None:
        super().__init__(f"model {name} is bundled with hymo, not imported: nothing to remove")
        self.name = name


def run_remove(home: Path, name: str, only: str | None, *, yes: bool, as_json: bool) -> None:
    """Remove a model, or one part of it.

    Raises:
        NotFoundError: the model or the part is not imported.
        BundledModelError: the model is bundled with the package.
        ModelsBusyError: another process is importing or removing models.
    """
    entry = CATALOG.get(name)
    if entry is not None and entry.revisions:
        raise BundledModelError(name)
    folder, partial = home / FOLDER / name, home / FOLDER / f".{name}.partial"
    if "/" in name or name.startswith("."):
        raise _nothing(name, only)
    paths = [path for path in _paths(folder, partial, only) if path.exists()]
    if not paths:
        raise _nothing(name, only)
    size = sum(_size(path) for path in paths)
    what = f"{name} {only}" if only else name
    if not yes:
        _ask(f"Remove {what}, {file_size(size)}?")
    with models_lock(home):
        if only is not None:
            _forget(folder, only)
        for path in paths:
            _delete(path)
        _sweep(folder.parent, name)
    if as_json:
        document = {"schema": "hymo.remove/1", "name": name, "only": only, "bytes": size}
        print_json(document)
    else:
        note(f"removed {clean(what)}, {file_size(size)}")


def _ask(question: str) -> None:
    """Ask the user; raises `click.Abort` if the answer is no.

    Raises:
        click.UsageError: there is no terminal to ask on.
    """
    try:
        agreed = click.confirm(clean(question), err=True)
    except click.Abort:
        # click reports the end of the input in the same way as Ctrl-C.
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise click.UsageError("no terminal to ask on: give --yes") from None
    if not agreed:
        raise click.Abort


def _paths(folder: Path, partial: Path, only: str | None) -> list[Path]:
    if only is None:
        return [folder, partial]
    # A text encoder of which only the revision is known has no folder, only a record.
    named = only in _parts(folder)
    return [folder / only, partial / only, *([folder / FILE] if named else [])]


def _parts(folder: Path) -> dict[str, Any]:
    record = _record(folder)
    if record is None:
        return {}
    text = {"text": record["text"]} if record.get("text") else {}
    return {**record.get("modes", {}), **text}


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        record: object = json.loads((folder / FILE).read_bytes())
    except (OSError, ValueError):
        return None  # damaged or missing: there is no record to update
    return record if isinstance(record, dict) else None


def _nothing(name: str, only: str | None) -> NotFoundError:
    what = f"{name} {only}" if only else name
    return NotFoundError("imported model", what, "`hymo models list` shows all models")


def _forget(folder: Path, only: str) -> None:
    """Remove a part from the record, before its files are removed."""
    record = _record(folder)
    if record is None:
        return
    record["modes"].pop(only, None)
    if only == "text":
        record["text"] = None
    record["sources"] = [each for each in record["sources"] if each["part"] != only]
    with atomic(folder / FILE) as part, part.open("x", encoding="utf-8") as file:
        file.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def _size(path: Path) -> int:
    """Bytes of disk space that removing the path frees."""
    if not path.is_dir():
        return 0
    files = (each for each in path.rglob("*") if each.is_file() and not each.is_symlink())
    return sum(each.stat().st_size for each in files)


def _delete(path: Path) -> None:
    """Rename the path aside, then delete it. Links are removed, but not their targets."""
    if path.is_symlink():
        path.unlink()
        return
    if not path.is_dir():
        return  # the record is rewritten, not deleted
    aside = path.parent / f".{path.name.lstrip('.')}.removed-{os.getpid()}"
    path.rename(aside)
    shutil.rmtree(aside)


def _sweep(models: Path, name: str) -> None:
    """Remove the remains of interrupted removals, and empty records and folders."""
    for place in (models, models / name, models / f".{name}.partial"):
        for left in place.glob(".*.removed-*"):
            shutil.rmtree(left)
    if (models / name).is_dir() and not _parts(models / name):
        shutil.rmtree(models / name)
    partial = models / f".{name}.partial"
    if partial.is_dir() and not any(partial.iterdir()):
        partial.rmdir()
