"""Options that filter jobs or attempts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.context import with_options
from jobs.cli.options.when import Ago, Moment
from jobs.cli.render.tables import note_full
from jobs.domain.states import Failure, State
from jobs.errors import NotFoundError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from jobs.cli.context import App
    from jobs.monitoring.waiting import Waiting
    from jobs.store.store import Store

MODES = ("full", "lite")
STATES = tuple(state.value for state in State)
FAILURES = tuple(failure.value for failure in Failure)


class Words(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """Words separated by commas, each of them in `choices` if any are given."""

    name = "words"

    def __init__(self, choices: Sequence[str] = ()) -> None:
        self.choices = tuple(choices)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The words, in the order typed."""
        if isinstance(value, tuple):
            return value
        words = tuple(word.strip() for word in str(value).split(",") if word.strip())
        for word in words:
            if self.choices and word not in self.choices:
                self.fail(f"{word!r} is not one of {', '.join(self.choices)}", param, ctx)
        if not words:
            self.fail("name at least one", param, ctx)
        return words

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 — click's signature
        param: click.Parameter,  # noqa: ARG002 — click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """Complete the last word."""
        from click.shell_completion import CompletionItem

        begun, comma, last = incomplete.rpartition(",")
        return [
            CompletionItem(begun + comma + choice)
            for choice in self.choices
            if choice.startswith(last)
        ]


#: `--batch --mode --card --worker --since --until`; see `filtered`.
machine_filters = with_options(
    click.option("--batch", metavar="NAME", help="Only this batch."),
    click.option("--mode", "modes", type=Words(MODES), metavar="MODE,…", help="full or lite."),
    click.option(
        "--card",
        "cards",
        type=Words(),
        metavar="CARD,…",
        help="Last run on this card: its name or a word of it, such as A100.",
    ),
    click.option(
        "--worker",
        "workers",
        type=Words(),
        metavar="NAME,…",
        help="Last run by this worker.",
    ),
    click.option(
        "--since",
        type=Moment(),
        metavar="TIME",
        help="From this time on: 2026-01-31, 2026-01-31T22:15, 2h (ago), 3d, yesterday.",
    ),
    click.option("--until", type=Moment(), metavar="TIME", help="Before this time."),
)


def filtered(store: Store, **given: Any) -> dict[str, Any]:
    """The values of `machine_filters` as the fields of a store's filter.

    Raises:
        NotFoundError: there is no such batch or card.
    """
    batch = given.pop("batch")
    return {
        **{
            name: store.time() - value.seconds if isinstance(value, Ago) else value
            for name, value in given.items()
            if value is not None
        },
        "batch_id": None if batch is None else store.batches.get(batch).id,
        "cards": card_names(store, given["cards"] or ()),
    }


def waiting_for(app: App, store: Store) -> Waiting:
    """A `Waiting` with the workers that are live now; notes why none can be."""
    from jobs.monitoring.waiting import Waiting

    note_full(store)
    return Waiting(offers=store.workers.offers(alive=app.settings().alive), now=store.time())


def card_names(store: Store, words: Sequence[str]) -> tuple[str, ...]:
    """The registered cards whose names contain one of `words` as whole words.

    Raises:
        NotFoundError: a word matches no card.
    """
    if not words:
        return ()
    known = store.history.cards()
    found: dict[str, None] = {}
    for word in words:
        pattern = re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", re.IGNORECASE)
        meant = [name for name in known if pattern.search(name)]
        if not meant:
            mend = f"known cards: {', '.join(known)}" if known else "no worker has registered yet"
            raise NotFoundError("card", word, mend)
        found |= dict.fromkeys(meant)
    return tuple(found)
