"""`hymo models import`: plans and runs an import, and prints both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.cli.render.tables import Column, note, print_json, print_pairs, print_table, say
from jobs.cli.render.text import clean, duration, file_size
from jobs.domain.installed import FOLDER, Installed
from worker.cli.models.progress import byte_progress
from worker.errors import WorkerError
from worker.locks import models_lock

if TYPE_CHECKING:
    from hymotion.importing import Imported, Importer, ImportPlan, Wanted

COLUMNS = (
    Column("PART"),
    Column("ACTION"),
    Column("FILE", flexible=True, least=24),
    Column("FROM", flexible=True, least=16),
    Column("WRITES", "right"),
)


class ImportingError(WorkerError):
    """The given folders cannot be imported."""


def run_import(home: Path, wanted: Wanted, *, dry_run: bool, as_json: bool) -> None:
    """Import a model, or with `dry_run` print the plan.

    Raises:
        ImportingError: a file is missing or not as expected, or the disk is full.
        ModelsBusyError: another process is importing or removing models.
    """
    from hymotion.errors import HymotionError
    from hymotion.importing import HY_MOTION, Importer

    told = Installed.read(home).models.get(HY_MOTION.name)
    known = {} if told is None else told.licence.get("notices", {})
    importer = Importer(models=home / FOLDER, release=HY_MOTION)
    try:
        if dry_run:
            plan = importer.plan(wanted)
            _say_licence(plan, known)
            _print_plan(importer, plan, as_json=as_json)
            return
        with models_lock(home):
            plan = importer.plan(wanted)
            _say_licence(plan, known)
            _run(importer, plan, as_json=as_json)
    except HymotionError as error:
        raise ImportingError(str(error)) from error


def _run(importer: Importer, plan: ImportPlan, *, as_json: bool) -> None:
    began = time.monotonic()
    if plan.kept:
        note(f"continuing an earlier import, which wrote {file_size(plan.kept)}")
    try:
        with byte_progress("importing", plan.work) as on_bytes:
            done = importer.run(plan, on_bytes=on_bytes)
    except KeyboardInterrupt:
        note("stopped; import again to continue, or `hymo models remove` the partial import")
        raise
    seconds = time.monotonic() - began
    if as_json:
        print_json(_document(done, plan, seconds))
    else:
        _print_done(done, seconds)


def _say_licence(plan: ImportPlan, known: dict[str, Any]) -> None:
    """Print each licence notice when its part is imported for the first time."""
    fresh = [text for part, text in plan.licence.notices.items() if known.get(part) != text]
    for text in fresh:
        note(text)
    if fresh and plan.licence.files:
        note("Licence files: " + ", ".join(clean(str(p)) for p in plan.licence.files))


def _print_plan(importer: Importer, plan: ImportPlan, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "schema": "hymo.import/1",
                "dry_run": True,
                "folder": str(importer.folder),
                "bytes": plan.bytes,
                "kept_bytes": plan.kept,
                "free_bytes": plan.free,
                "steps": [
                    {
                        "part": step.part,
                        "action": step.action,
                        "source": str(step.source),
                        "target": step.target,
                        "bytes": step.bytes,
                    }
                    for step in plan.steps
                ],
            }
        )
        return
    rows = [
        (step.part, step.action, step.target, str(step.source), file_size(step.bytes))
        for step in plan.steps
    ]
    print_table(COLUMNS, rows)
    say(
        f"{file_size(plan.bytes)} would be written to {clean(str(importer.folder))}, "
        f"{file_size(plan.free)} are free; only the headers of the weights have been checked"
    )


def _document(done: Imported, plan: ImportPlan, seconds: float) -> dict[str, Any]:
    return {
        "schema": "hymo.import/1",
        "dry_run": False,
        "folder": str(done.folder),
        "bytes": sum(step.bytes for step in plan.steps),
        "parts": {
            part: {"revision": revision, "imported": part in done.fresh}
            for part, revision in done.revisions.items()
        },
        "seconds": round(seconds, 1),
    }


def _print_done(done: Imported, seconds: float) -> None:
    parts = {
        part: revision
        + ("" if part in done.fresh else " (already imported, not read again; see verify)")
        for part, revision in done.revisions.items()
    }
    pairs = {**parts, "folder": str(done.folder), "took": duration(seconds)}
    print_pairs(f"imported {done.folder.name}", pairs)
    if done.record["text"] is None:
        note(
            "no text encoder yet: import --upstream, --qwen and --clip, or give the --text-revision"
            " of another machine that encodes"
        )
