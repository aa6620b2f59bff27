"""Write the command reference in docs/cli.md from the commands' help.

    python -m jobs.cli.reference            # write it
    python -m jobs.cli.reference --check    # exit 1 if it is out of date

Only the text between the two markers is replaced.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from jobs.cli.main import hymo

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
BEGIN = "<!-- written by `python -m jobs.cli.reference`; edit the commands, not this -->\n"
END = "<!-- end of what is written -->\n"


def reference() -> str:
    """All commands with usage, help and options, in Markdown."""
    with click.Context(hymo, info_name="hymo") as root:
        return "".join(_commands(root))


def updated(page: str) -> str:
    """`page` with the current reference between its markers; raises `ValueError` without them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks a marker: {BEGIN.strip()} … {END.strip()}")
    return before + BEGIN + "\n" + reference() + END + after


def main(arguments: list[str]) -> int:
    """Write the page, or compare it with `--check`; return the exit code."""
    page = PAGE.read_text("utf-8")
    fresh = updated(page)
    if "--check" not in arguments:
        PAGE.write_text(fresh, "utf-8")
        return 0
    if fresh == page:
        return 0
    sys.stderr.write(f"{PAGE.name} is out of date: run `python -m jobs.cli.reference`\n")
    return 1


def _commands(context: click.Context) -> Iterator[str]:
    yield _section(context)
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            if each is not None and not each.hidden:
                with click.Context(each, info_name=name, parent=context) as inner:
                    yield from _commands(inner)


def _section(context: click.Context) -> str:
    command = context.command
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    parts = [f"## `{context.command_path}`\n", f"    {usage}\n"]
    parts.append(_plain(inspect.cleandoc(command.help or "")) + "\n")
    options = [each for each in command.get_params(context) if isinstance(each, click.Option)]
    records = [
        record
        for option in options
        if "--help" not in option.opts and (record := option.get_help_record(context)) is not None
    ]
    if records:
        parts.append("\n".join(f"- `{name}`: {_plain(text)}" for name, text in records) + "\n")
    return "\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """`text` with Markdown's special characters escaped."""
    return re.sub(r"<(?=[A-Za-z/!])|\*", r"\\\g<0>", text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
