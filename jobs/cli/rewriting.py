"""The options of a submit whose prompts a rewriter is asked about, and what is said of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.output import note
from jobs.cli.text import clean, plural

if TYPE_CHECKING:
    from jobs.rewriting.report import RewriteReport
    from jobs.rewriting.rewriting import Rewriting
    from jobs.settings import Settings

#: Reasons that are said before `and N more`.
NAMED = 3
SEE = "docs/rewriting.md"


@dataclass(frozen=True, kw_only=True)
class RewriteChoice:
    """What the command line asks about the prompts of a file."""

    text: bool = False
    seconds: bool = False
    require: bool = False

    @property
    def asked(self) -> bool:
        """Whether anything is asked."""
        return self.text or self.seconds

    @contextmanager
    def open(self, settings: Settings, *, dry: bool = False) -> Iterator[Rewriting | None]:
        """The rewriting that it asks for; None where it asks for none.

        Raises:
            SettingsError: there is nobody to ask.
        """
        if not self.asked:
            yield None
            return
        from jobs.rewriting.opening import open_rewriting
        from jobs.rewriting.wish import Wish

        wish = Wish(text=self.text, seconds=self.seconds)
        with open_rewriting(settings, wish, require=self.require, dry=dry) as rewriting:
            yield rewriting


_OPTIONS = (
    click.option(
        "--rewrite",
        "text",
        is_flag=True,
        help="Sample each prompt as the language model at HYMO_REWRITER_URL rewrites it.",
    ),
    click.option(
        "--estimate-duration",
        "seconds",
        is_flag=True,
        help="Ask that model how long the motions of rows without a length should be.",
    ),
    click.option(
        "--require-rewrite",
        "require",
        is_flag=True,
        help="Take rows that do not get what was asked for as bad rows.",
    ),
)


def rewrite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which receives them as one `rewrite: RewriteChoice`."""

    @functools.wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        chosen = {name: values.pop(name) for name in ("text", "seconds", "require")}
        if chosen["require"] and not (chosen["text"] or chosen["seconds"]):
            raise click.UsageError("--require-rewrite needs --rewrite or --estimate-duration")
        return command(*args, rewrite=RewriteChoice(**chosen), **values)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered


def note_rewrites(report: RewriteReport | None) -> None:
    """Say what became of the rows, why some kept their own, and what was given up."""
    if report is None:
        return
    counts = ", ".join(
        f"{count} {outcome.value.replace('_', ' ')}"
        for outcome, count in sorted(report.rows.items())
    )
    asked = plural(report.asked, "prompt")
    note(f"note: rewriter: {counts or 'no row to ask about'} ({asked} asked)")
    kept = sum(report.reasons.values())
    if kept:
        reasons = "; ".join(
            f"{clean(reason)} ({plural(count, 'row')})"
            for reason, count in islice(report.reasons.items(), NAMED)
        )
        more = len(report.reasons) - NAMED
        others = f"; and {plural(more, 'other reason')}" if more > 0 else ""
        note(f"warning: {plural(kept, 'row')} did not get what was asked for: {reasons}{others}")
    if report.stopped is not None:
        note(f"warning: the rewriter was not asked any more: {clean(report.stopped)}; see {SEE}")
    if report.cache_fault is not None:
        note(
            f"warning: its answers are not kept, so a resubmit asks again: "
            f"{clean(report.cache_fault)}; mend or delete that file"
        )
