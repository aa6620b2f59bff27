"""The options of `submit` and `run` for rewriting prompts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.context import with_options

if TYPE_CHECKING:
    from jobs.rewriting.rewriting import Rewriting
    from jobs.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RewriteChoice:
    """The rewriting options of a command line."""

    text: bool = False
    seconds: bool = False
    require: bool = False

    @property
    def asked(self) -> bool:
        """Whether any rewriting is asked for."""
        return self.text or self.seconds

    @contextmanager
    def open(self, settings: Settings, *, dry: bool = False) -> Iterator[Rewriting | None]:
        """The rewriting that the options ask for; None if they ask for none.

        Raises:
            SettingsError: no service or model is set.
        """
        if not self.asked:
            yield None
            return
        from jobs.rewriting.rewriting import open_rewriting
        from jobs.rewriting.wish import Wish

        wish = Wish(text=self.text, seconds=self.seconds)
        with open_rewriting(settings, wish, require=self.require, dry=dry) as rewriting:
            yield rewriting


_OPTIONS = with_options(
    click.option(
        "--rewrite",
        "text",
        is_flag=True,
        help="Rewrite each prompt with the language model at HYMO_REWRITER_URL.",
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
        help="Treat rows that do not get what was asked for as invalid.",
    ),
)


def rewrite_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which receives them as `rewrite: RewriteChoice`."""

    @functools.wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        chosen = {name: values.pop(name) for name in ("text", "seconds", "require")}
        if chosen["require"] and not (chosen["text"] or chosen["seconds"]):
            raise click.UsageError("--require-rewrite needs --rewrite or --estimate-duration")
        return command(*args, rewrite=RewriteChoice(**chosen), **values)

    return _OPTIONS(gathered)
