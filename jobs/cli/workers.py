"""`hymo workers`: list workers, and declare planned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.filters import MODES, Words
from jobs.cli.render.tables import Column, note, note_full, print_json, print_table, say
from jobs.cli.render.text import clean, duration, gibibytes
from jobs.documents.fleet import worker_document
from jobs.domain.pauses import PauseScope

if TYPE_CHECKING:
    from jobs.domain.workers import WorkerCard, WorkerRow

COLUMNS = (
    Column("NAME", flexible=True),
    Column("STATE"),
    Column("CARD", flexible=True),
    Column("MODES"),
    Column("MEMORY", "right"),
    Column("JOBS", "right"),
    Column("SEEN", "right"),
    Column("TAGS", flexible=True),
)
#: Tags of a worker: where it keeps its text encoder, and the number type that it stopped using.
TEXTS, NUMERICS = "texts", "numerics"


@click.group(invoke_without_command=True)
@click.option("--all", "everyone", is_flag=True, help="Include stopped and lost workers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def workers(ctx: click.Context, /, *, everyone: bool, as_json: bool) -> None:
    """List workers with their capabilities and running jobs.

    A `lost` worker was not seen recently; its jobs are queued again. A `paused` one takes no jobs
    for now and says why below the table; the pause ends by itself.
    """
    if ctx.invoked_subcommand is not None:
        return
    app = ctx.ensure_object(App)
    with app.store() as store:
        rows = store.workers.rows(alive=app.settings().alive, all=everyone)
        now = store.time()
        full = note_full(store)
    if as_json:
        print_json({"schema": "hymo.workers/1", "workers": [worker_document(row) for row in rows]})
    elif rows:
        print_table(COLUMNS, [_cells(row, now) for row in rows])
        for row in rows:
            for pause in row.registration.offer.pauses if row.alive else ():
                name, wait = row.registration.offer.name, duration(max(1.0, now - pause.since))
                note(f"{name} waits: {clean(pause.reason)} (since {wait})")
            if NUMERICS in row.registration.tags:
                # Too long for the column of tags.
                story = row.registration.tags[NUMERICS]
                name = row.registration.offer.name
                note(f"{name}: {clean(str(story))}, too many motions had non-finite values")
    elif not full:
        note("no workers: `hymo up` starts one per device, `hymo worker` a single one")


@workers.command()
@click.argument("name", metavar="NAME")
@click.option("--card", required=True, metavar="CARD", help="Its card, such as A100.")
@click.option(
    "--modes", type=Words(MODES), default="full,lite", metavar="MODE,…", help="Modes it will serve."
)
@click.option(
    "--models", type=Words(), metavar="MODEL,…", help="Models it will have. [default: all]"
)
@click.option(
    "--memory",
    type=click.FloatRange(min=1, max=100_000),
    required=True,
    metavar="GIB",
    help="Memory that jobs may use, GiB.",
)
@pass_app
def declare(
    app: App,
    /,
    *,
    name: str,
    card: str,
    modes: tuple[str, ...],
    models: tuple[str, ...] | None,
    memory: float,
) -> None:
    """Declare a worker that is not up yet, so that mode `auto` counts on it.

    Until it is up, jobs that fit only on this worker wait for it. Declaring a name again replaces
    the declaration.
    """
    from jobs.domain.catalog import CATALOG, model_entry

    _check(name, card)
    for model in models or ():
        model_entry(model)
    registration = _declared(name, card, modes, models or tuple(CATALOG), memory)
    with app.store() as store:
        store.workers.declare(registration)
    size = gibibytes(registration.offer.memory_bytes)
    say(f"declared {name}: {card}, {', '.join(modes)}, {size}")


@workers.command()
@click.argument("name", metavar="NAME")
@pass_app
def undeclare(app: App, /, *, name: str) -> None:
    """Remove a declaration."""
    with app.store() as store:
        store.workers.undeclare(name)
    say(f"{name} is no longer declared")


def _check(name: str, card: str) -> None:
    """Raise `click.BadParameter` for an invalid name or card; note if the card is unknown."""
    from jobs.domain.cards import CARDS, profile
    from jobs.domain.names import ID_RULE, id_fault

    found = id_fault(name)
    if found is not None:
        raise click.BadParameter(f"{name!r} {found}; {ID_RULE}", param_hint="NAME")
    if not card.strip() or not card.isprintable():
        raise click.BadParameter(f"name it, such as {', '.join(CARDS)}", param_hint="--card")
    if profile(card).derived:
        known = ", ".join(CARDS)
        note(f"note: no figures are published for card {card} (only for {known}): no limits known")


def _declared(
    name: str, card: str, modes: tuple[str, ...], models: tuple[str, ...], gib: float
) -> WorkerCard:
    from jobs.domain.cards import profile
    from jobs.domain.memory import GIB, classes_within, queue_name
    from jobs.domain.routing import Offer
    from jobs.domain.workers import WorkerCard

    known = profile(card)
    memory = round(gib * GIB)
    return WorkerCard(
        offer=Offer(name=name, modes=modes, models=models, memory_bytes=memory),
        host="",
        pid=None,
        device="",
        card=card,
        dtype="",
        nvlink=known.nvlink,
        queues=tuple(queue_name(mode, step) for step in classes_within(memory) for mode in modes),
        tags={"bandwidth": known.bandwidth_class},
    )


def _state(row: WorkerRow) -> str:
    if row.state in {"live", "draining"} and not row.alive:
        return "lost"
    paused = any(pause.scope is PauseScope.WORKER for pause in row.registration.offer.pauses)
    return "paused" if paused and row.state == "live" else row.state


def _cells(row: WorkerRow, now: float) -> tuple[str, ...]:
    card, offer = row.registration, row.registration.offer
    seen = "" if row.state == "declared" else f"{duration(max(0.0, now - row.seen_at))} ago"
    # The tags that differ between similar workers come first, in case the column is cut.
    first = {name: card.tags[name] for name in (TEXTS,) if name in card.tags}
    tags = {**first, "dtype": card.dtype, "nvlink": "yes" if card.nvlink else "", **card.tags}
    shown = (f"{key}={value}" for key, value in tags.items() if value not in {"", "unknown"})
    return (
        offer.name,
        _state(row),
        card.card,
        ",".join(offer.modes),
        gibibytes(offer.memory_bytes),
        str(row.running),
        seen,
        " ".join(shown),
    )
