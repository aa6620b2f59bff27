"""`hymo prune`: remove what ended long ago."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.when import Ago, Moment
from jobs.cli.render.tables import Column, note, print_json, print_table, say
from jobs.cli.render.text import ago, duration, file_size, plural

if TYPE_CHECKING:
    from pathlib import Path

    from jobs.artifacts.directory import FileCount
    from jobs.artifacts.pruner import Pruned
    from jobs.domain.batches import Batch
    from jobs.store.store import Store

COLUMNS = (
    Column("BATCH", flexible=True),
    *(Column(title, "right") for title in ("JOBS", "ATTEMPTS", "FEATURES", "FILES", "SIZE")),
)


@click.command()
@click.option(
    "--older-than",
    type=Moment(),
    required=True,
    metavar="AGE",
    help="Only batches that last changed, and texts last used, longer ago: 30d, 12h, 8w.",
)
@click.option(
    "--batch",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this batch; may be given several times. Encoded texts are kept.",
)
@click.option("--keep-files", is_flag=True, help="Keep the batches' folders; remove rows alone.")
@click.option("--yes", is_flag=True, help="Remove. Without it, only says what would be removed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def prune(
    app: App,
    /,
    *,
    older_than: float | Ago,
    names: tuple[str, ...],
    keep_files: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Remove batches that ended long ago: rows, features, files and encoded texts.

    A batch goes if all its jobs have ended. In its folder only files that HyMo wrote are removed,
    found by their names; the folder goes if it is empty then. Motions that other batches share
    stay. A prune that is interrupted goes on when it is called again. Exits with 1 if a batch was
    left.
    """
    from jobs.artifacts.pruner import Pruner

    settings = app.settings()
    age = _age(older_than, least=settings.lease + settings.deadline)
    with app.store(settings) as store:
        before = store.time() - age
        chosen, left = _chosen(store, names, before)
        pruner = Pruner(store, settings, before=before, keep_files=keep_files)
        done = [(batch, (pruner.prune if yes else pruner.plan)(batch)) for batch in chosen]
    texts = None if names else _texts(settings.texts, age, remove=yes)
    if as_json:
        print_json(_document(done, left, texts, removed=yes))
    else:
        _print(done, left, texts, removed=yes)
    return int(yes and bool(left or any(each.fault for _, each in done)))


def _age(given: float | Ago, *, least: float) -> float:
    if not isinstance(given, Ago):
        raise click.BadParameter("write an age: 30d, 12h or 8w", param_hint="--older-than")
    if given.seconds < least:
        raise click.BadParameter(
            f"must be at least {duration(least)}: a worker that lost a job may write until then "
            "(HYMO_LEASE and HYMO_DEADLINE)",
            param_hint="--older-than",
        )
    return given.seconds


def _chosen(
    store: Store, names: Sequence[str], before: float
) -> tuple[list[Batch], dict[str, str]]:
    """The batches to remove, and for each other one that was named why it is left.

    Raises:
        NotFoundError: a batch does not exist.
    """
    old = {batch.id: batch for batch in store.pruning.old(before=before)}
    if not names:
        return list(old.values()), {}
    named = {batch.id: batch for batch in map(store.batches.get, names)}
    left = {}
    for batch in named.values():
        if batch.id in old:
            continue
        standing = store.pruning.standing(batch.id)
        if standing.unfinished:
            left[batch.name] = f"{plural(standing.unfinished, 'job')} queued or running"
        else:
            left[batch.name] = f"it changed {ago(store.time() - standing.changed_at)} ago"
    return [batch for number, batch in named.items() if number in old], left


def _texts(folder: Path, age: float, *, remove: bool) -> FileCount:
    from jobs.artifacts.unused_texts import unused_texts
    from jobs.errors import OutputError

    try:
        return unused_texts(folder, before=time.time() - age, remove=remove)
    except OSError as error:
        raise OutputError(folder, error) from error


def _document(
    done: Sequence[tuple[Batch, Pruned]],
    left: dict[str, str],
    texts: FileCount | None,
    *,
    removed: bool,
) -> dict[str, Any]:
    batches = [
        {
            "name": batch.name,
            "jobs": each.rows.jobs,
            "attempts": each.rows.attempts,
            "features": each.rows.features,
            "files": each.files.files,
            "bytes": each.files.bytes,
            "foreign": each.foreign,
            "fault": each.fault,
        }
        for batch, each in done
    ]
    return {
        "schema": "hymo.prune/1",
        "removed": removed,
        "batches": batches,
        "left": [{"name": name, "reason": reason} for name, reason in left.items()],
        "texts": None if texts is None else {"files": texts.files, "bytes": texts.bytes},
    }


def _print(
    done: Sequence[tuple[Batch, Pruned]],
    left: dict[str, str],
    texts: FileCount | None,
    *,
    removed: bool,
) -> None:
    gone = [(batch, each) for batch, each in done if removed or each.fault is None]
    if gone:
        print_table(COLUMNS, [_row(batch.name, each) for batch, each in gone])
    for batch, each in done:
        if each.fault is not None:
            left = {**left, batch.name: each.fault}
        if each.foreign:
            note(f"note: {batch.folder} stays: it holds files that HyMo did not write")
    for name, reason in left.items():
        note(f"note: batch {name} is left: {reason}")
    whole = sum(each.fault is None for _, each in gone)
    parts = [plural(whole, "batch", "batches")]
    if texts is not None:
        parts.append(f"{plural(texts.files, 'encoded text')} ({file_size(texts.bytes)})")
    what = " and ".join(parts)
    say(f"removed {what}" if removed else f"would remove {what}; --yes removes them")


def _row(name: str, found: Pruned) -> list[str]:
    rows = found.rows
    numbers = (rows.jobs, rows.attempts, rows.features, found.files.files)
    return [name, *map(str, numbers), file_size(found.files.bytes)]
