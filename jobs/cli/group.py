"""The root group: commands are listed without importing them and imported only when called."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.faults import ExitCode, explain

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands are named as `module:attribute` and loaded on first use.

    Args:
        own: command name → `module:attribute`.
        plugins: entry-point group that adds further commands; an own command wins a clash.
        sections: title → command names, the order of the help page; others follow as "More".
    """

    def __init__(
        self,
        *args: Any,
        own: Mapping[str, str],
        plugins: str | None = None,
        sections: Mapping[str, Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._own = own
        self._plugins = plugins
        self._sections = sections or {}

    @cached_property
    def targets(self) -> Mapping[str, str]:
        """Every command's `module:attribute`, in the order of the sections."""
        found = dict(self._own)
        if self._plugins is not None:
            for point in entry_points(group=self._plugins):
                found.setdefault(point.name, point.value)
        ordered = [name for names in self._sections.values() for name in names if name in found]
        return {name: found[name] for name in (*ordered, *sorted(set(found) - set(ordered)))}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's
        """Command names in the order of the help page."""
        return list(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 — click's
        """The command, imported now; None if there is none of that name."""
        # Own commands never pay for reading the installed packages' entry points.
        target = self._own.get(cmd_name) or self.targets.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise click.UsageError(f"{target} is no command: reinstall the package it comes from")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's
        """Write the command lists, a section each, without importing any command."""
        known = {name for names in self._sections.values() for name in names}
        more = [name for name in self.targets if name not in known]
        width = max(map(len, self.targets))
        for title, names in (*self._sections.items(), ("More", more)):
            rows = [(name.ljust(width), self.summary(name)) for name in names]
            rows = [row for row in rows if row[0].rstrip() in self.targets]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def summary(self, name: str) -> str:
        """First sentence of the command's docstring, read from its source without running it."""
        module, _, attribute = self.targets.get(name, "").partition(":")
        text = _docstring(module, attribute) if module else None
        sentence = (text or "").strip().split("\n\n")[0].replace("\n", " ")
        return sentence.removesuffix(".")

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing them; options as click does."""
        from click.shell_completion import CompletionItem

        items = [
            CompletionItem(name, help=self.summary(name))
            for name in self.targets
            if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click itself would end with 1 where the reader went away."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run; in standalone mode every expected fault becomes one line and an exit code."""
        run: Callable[[], Any] = partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        try:
            code = run()
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            sys.exit(ExitCode.INTERRUPTED)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (BrokenPipeError, _ReaderGoneError):
            from jobs.cli.render.tables import forget_reader

            forget_reader()
            sys.exit(ExitCode.OK)
        # The one boundary of the command line: what it cannot explain is shown as a fault of ours.
        except Exception as error:
            fault = explain(error)
            if fault is None or os.environ.get("HYMO_TRACEBACK", "0") not in {"", "0"}:
                raise
            click.echo(f"hymo: {fault.message}", err=True)
            sys.exit(fault.exit_code)
        sys.exit(code if isinstance(code, int) else ExitCode.OK)


class _ReaderGoneError(Exception):
    """Whoever read our output has seen enough."""


def _docstring(module: str, attribute: str) -> str | None:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        return None
    tree = ast.parse(Path(spec.origin).read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == attribute:
            return ast.get_docstring(node)
    return None
