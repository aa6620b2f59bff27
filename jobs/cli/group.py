"""The class of the root group, which lists commands without importing them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.faults import ExitCode, explain
from jobs.errors import not_text

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """A group whose commands are given as `module:attribute` and imported when called.

    Args:
        own: command name → `module:attribute`.
        plugins: entry-point group with further commands; own commands take precedence.
        sections: title → command name → its line of help, in the order of the help page; commands
            without a section follow under "More".
    """

    def __init__(
        self,
        *args: Any,
        own: Mapping[str, str],
        plugins: str = "",
        sections: Mapping[str, Mapping[str, str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._own = own
        self._plugins = plugins
        self._sections = sections or {}

    @cached_property
    def targets(self) -> Mapping[str, str]:
        """Command name → `module:attribute`."""
        # Imported only here, since own commands need no entry points.
        from importlib.metadata import entry_points

        found = {each.name: each.value for each in entry_points(group=self._plugins)}
        return {**found, **self._own}

    @cached_property
    def listed(self) -> Mapping[str, Mapping[str, str]]:
        """Section → command → its line of help, for the commands that are installed."""
        others = dict(self.targets)
        found = {
            title: {name: text for name, text in lines.items() if others.pop(name, None)}
            for title, lines in self._sections.items()
        }
        more = {name: f"From {target}" for name, target in sorted(others.items())}
        return found | {"More": more}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 — click's
        """Command names in the order of the help page."""
        return [name for lines in self.listed.values() for name in lines]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 — click's
        """Import a command; None if there is none with that name."""
        # Entry points are read only if the command is not an own one.
        target = self._own.get(cmd_name) or self.targets.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise click.UsageError(f"{target} is not a command: reinstall the package it is in")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 — click's
        """Write the commands of each section without importing them."""
        width = max(map(len, self.targets))
        for title, lines in self.listed.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl([(name.ljust(width), text) for name, text in lines.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing the commands; options are left to click."""
        from click.shell_completion import CompletionItem

        items = [
            CompletionItem(name, help=text)
            for lines in self.listed.values()
            for name, text in lines.items()
            if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; convert a broken pipe, for which click would exit with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error

    def main(
        self,
        args: Sequence[str] | None = None,
        *more: Any,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run the command line; in standalone mode report expected errors in one line and exit."""
        run: Callable[[], Any] = partial(super().main, args, *more, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        try:
            _check_text(self, sys.argv[1:] if args is None else args)
            code = run()
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            sys.exit(ExitCode.INTERRUPTED)
        except click.ClickException as error:
            text = io.StringIO()
            error.show(text)
            click.echo(_cleaned(text.getvalue()), nl=False, err=True)
            sys.exit(error.exit_code)
        except (BrokenPipeError, _ReaderGoneError):
            from jobs.cli.render.tables import forget_reader

            forget_reader()
            sys.exit(ExitCode.OK)
        # Exceptions that `explain` does not know are bugs and keep their traceback.
        except Exception as error:
            fault = explain(error)
            if fault is None or os.environ.get("HYMO_TRACEBACK", "0") not in {"", "0"}:
                raise
            click.echo(f"hymo: {_cleaned(fault.message)}", err=True)
            sys.exit(fault.exit_code)
        sys.exit(code if isinstance(code, int) else ExitCode.OK)


def _check_text(group: click.Group, args: Sequence[str]) -> None:
    """Refuse arguments that are not text, which neither the database nor JSON can hold.

    Python keeps their bytes as lone surrogates.
    """
    for number, argument in enumerate(args, 1):
        if not_text(argument):
            name = _parameter(group, args, argument) or f"argument {number}"
            raise click.UsageError(
                f"{name} is not UTF-8: {argument!a}; type it in a terminal that is set to UTF-8, "
                "and if it is the name of a file, rename the file"
            )


def _parameter(group: click.Group, args: Sequence[str], wanted: str) -> str | None:
    """The name of the option or argument that the word `wanted` of a command line gives.

    Args:
        wanted: not text; `--name=value` or only the value.

    Returns:
        None if the command line has no such option, argument or command.
    """
    command: click.Command | None = group
    rest, context = list(args), None
    try:
        while command is not None:
            context = click.Context(command, parent=context, **command.context_settings)
            values, rest, _ = command.make_parser(context).parse_args(args=rest)
            for param in command.get_params(context):
                value = values.get(param.name or "")
                given = value if isinstance(value, list | tuple) else [value]
                if any(not_text(each) and wanted.endswith(each) for each in map(str, given)):
                    if isinstance(param, click.Option):
                        return max(param.opts, key=len)
                    return param.human_readable_name.strip("[].")
            if not isinstance(command, click.Group) or not rest:
                return None
            _, command, rest = command.resolve_command(context, rest)
    except click.UsageError:
        pass  # there is no such command or option
    return None


def _cleaned(message: str) -> str:
    """A message of one or more lines with the control characters of names in it escaped."""
    from jobs.cli.render.text import clean

    return "\n".join(map(clean, message.split("\n")))


class _ReaderGoneError(Exception):
    """The reader of stdout closed the pipe."""
