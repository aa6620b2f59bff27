"""`hymo models import`: the plan, the import, and what is said of both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.render.tables import Column, note, print_json, print_pairs, print_table
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
    """What was given cannot be imported; the message names the mend."""


def run_import(home: Path, wanted: Wanted, *, dry_run: bool, as_json: bool) -> None:
    """Import, or with `dry_run` show what would be.

    Raises:
        ImportingError: something is not what it should be, or the disk is full.
        ModelsBusyError: another process is at it.
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
        note(f"going on with {file_size(plan.kept)} that an earlier import left")
    try:
        with byte_progress("importing", plan.work) as on_bytes:
            done = importer.run(plan, on_bytes=on_bytes)
    except KeyboardInterrupt:
        note("stopped; import again to go on from here, or `hymo models remove` what is left")
        raise
    seconds = time.monotonic() - began
    if as_json:
        print_json(_document(done, plan, seconds))
    else:
        _print_done(done, seconds)


def _say_licence(plan: ImportPlan, known: dict[str, Any]) -> None:
    """Each notice the first time that its part is imported."""
    fresh = [text for part, text in plan.licence.notices.items() if known.get(part) != text]
    for text in fresh:
        note(text)
    if fresh and plan.licence.files:
        note("Licences that came along: " + ", ".join(clean(str(p)) for p in plan.licence.files))


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
    click.echo(
        f"{file_size(plan.bytes)} would be written to {clean(str(importer.folder))}, "
        f"{file_size(plan.free)} are free; weights are checked by their headers until they are read"
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
        + ("" if part in done.fresh else " (was there already, the same; verify reads it)")
        for part, revision in done.revisions.items()
    }
    pairs = {**parts, "folder": str(done.folder), "took": duration(seconds)}
    print_pairs(f"imported {done.folder.name}", pairs)
    if done.record["text"] is None:
        note(
            "no text encoder yet: import --upstream, --qwen and --clip, or give the --text-revision"
            " of the machine that encodes"
        )
