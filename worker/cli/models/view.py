"""`hymo models list` and `show`: read from what is installed, without loading anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.cli.render.tables import Column, note, print_json, print_pairs, print_table
from jobs.cli.render.text import file_size
from jobs.domain.catalog import CATALOG, MODES, PUBLISHED_MODEL, Catalog, ModelEntry
from jobs.domain.installed import Installed, InstalledMode, InstalledModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LOADABLE = "yes"
COLUMNS = (
    Column("MODEL"),
    Column("MODE"),
    Column("REVISION"),
    Column("WEIGHTS", "right"),
    Column("TEXT"),
    Column("LOADABLE"),
)
OWN_TEXT = "its own"


def print_models(home: Path, *, as_json: bool) -> None:
    """Every model that jobs may name; raises `ModelRecordError`."""
    installed, catalog = Installed.read(home).models, Catalog.read(home)
    entries = [catalog.entry(name) for name in CATALOG]
    if as_json:
        print_json(
            {
                "schema": "hymo.models/1",
                "default": catalog.default,
                "models": [_document(entry, installed.get(entry.name)) for entry in entries],
            }
        )
        return
    rows = [row for entry in entries for row in _rows(entry, installed.get(entry.name))]
    print_table(COLUMNS, rows)
    if any(row[-1] != LOADABLE for row in rows):
        note("`hymo models import --help` says what an import takes")


def print_model(home: Path, name: str, *, as_json: bool) -> None:
    """One model in full; raises `NotFoundError`, `ModelRecordError`."""
    entry = Catalog.read(home).entry(name)
    model = Installed.read(home).models.get(name)
    if as_json:
        print_json({"schema": "hymo.model/1", **_document(entry, model, full=True)})
        return
    print_pairs(name, dict(_pairs(entry, model)))


def _document(
    entry: ModelEntry, model: InstalledModel | None, *, full: bool = False
) -> dict[str, Any]:
    text = None if model is None else model.text
    document: dict[str, Any] = {
        "name": entry.name,
        "trained": entry.trained,
        "loadable": [mode for mode in MODES if mode in entry.revisions],
        "steps": entry.steps,
        "guidance": entry.guidance,
        "folder": None if model is None else str(model.folder),
        "imported_at": None if model is None else model.imported_at,
        "modes": {
            mode: {"revision": _revision(entry, model, mode), **_sizes(model, mode)}
            for mode in entry.revisions
        },
        "text": None
        if text is None
        else {
            "revision": text.revision,
            "installed": text.folder is not None,
            "bytes": text.bytes,
            "qwen_bytes": text.qwen_bytes,
            "clip_bytes": text.clip_bytes,
            "linked": text.linked,
        },
    }
    if full and model is not None:
        document |= {"licence": dict(model.licence), "sources": [dict(s) for s in model.sources]}
    return document


def _own(model: InstalledModel | None, mode: str) -> InstalledMode | None:
    return None if model is None else model.modes.get(mode)


def _revision(entry: ModelEntry, model: InstalledModel | None, mode: str) -> str:
    """Of the weights alone; a job's has that of the text encoder behind it. Empty: not here."""
    own = _own(model, mode)
    return entry.revisions.get(mode, "") if own is None else own.revision


def _sizes(model: InstalledModel | None, mode: str) -> Mapping[str, object]:
    own = _own(model, mode)
    sizes = {name: getattr(own, name, None) for name in ("bytes", "numbers", "sha256")}
    return {**sizes, "linked": own is not None and own.linked}


def _rows(entry: ModelEntry, model: InstalledModel | None) -> Iterator[tuple[str, ...]]:
    for mode in MODES:
        own = _own(model, mode)
        yield (
            entry.name,
            mode,
            _revision(entry, model, mode),
            "" if own is None else file_size(own.bytes),
            _text(entry, model),
            LOADABLE if mode in entry.revisions else "no: import it",
        )


def _text(entry: ModelEntry, model: InstalledModel | None) -> str:
    if entry.name != PUBLISHED_MODEL:
        return OWN_TEXT if entry.trained else ""
    if model is None or model.text is None:
        return ""
    return model.text.revision + ("" if model.text.folder is not None else " (elsewhere)")


def _pairs(entry: ModelEntry, model: InstalledModel | None) -> Iterator[tuple[str, str]]:
    yield "by default", f"{entry.steps} steps, guidance {entry.guidance:g}"
    for mode in MODES:
        yield mode, _revision(entry, model, mode) or f"not here: hymo models import --{mode} DIR"
        own = _own(model, mode)
        if own is not None:
            linked = ", a link" if own.linked else ""
            yield f"  {mode} weights", f"{file_size(own.bytes)}, {own.numbers:,} numbers{linked}"
            yield f"  {mode} sha256", own.sha256
    yield "text", _text(entry, model)
    if model is None:
        return
    if model.text is not None and model.text.folder is not None:
        linked = ", links" if model.text.linked else ""
        yield "  text files", f"{file_size(model.text.bytes)}{linked}"
    yield "folder", str(model.folder)
    yield "imported", model.imported_at
    for source in model.sources:
        snapshot = f" ({source['repository']} {source['revision']})" if source["revision"] else ""
        part = source["part"] if source["kind"] == "weights" else source["kind"]
        yield f"  {part} from", f"{source['path']}{snapshot}"
    for part, notice in model.licence.get("notices", {}).items():
        yield f"licence {part}", str(notice)
