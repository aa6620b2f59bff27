"""The options of `submit` and `run`: the file, and defaults for its rows."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import click

from jobs.cli.context import App, with_options
from jobs.domain.catalog import BUNDLED_MODEL, CATALOG, PUBLISHED_MODEL, Catalog
from jobs.domain.spec import (
    DEFAULT_FRAMES,
    FORMATS,
    MAX_FRAMES,
    MAX_GUIDANCE,
    MAX_PRIORITY,
    MAX_SEEDS,
    MAX_STEPS,
    MIN_FRAMES,
    REQUESTABLE_MODES,
)
from jobs.promptfile.defaults import Defaults
from jobs.submission.cap import ASKED


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"use 0 to {MAX_GUIDANCE:g}", ctx=ctx, param=param)
    return value


def _formats(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    words = value.replace(";", " ").replace(",", " ").split()
    unknown = [word for word in words if word.lower() not in FORMATS]
    if unknown or not words:
        message = f"{unknown[0] if unknown else value!r} is unknown; use {', '.join(FORMATS)}"
        raise click.BadParameter(message, ctx=ctx, param=param)
    return tuple(sorted({word.lower() for word in words}))


def _encoding(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    from jobs.promptfile.encoding import fault

    found = fault(value)
    if found is not None:
        raise click.BadParameter(f"{value!r} {found}", ctx=ctx, param=param)
    return value


def _own(setting: str) -> str:
    """The help text for a default that depends on the model; leaves out the test engine."""
    models = [entry for entry in CATALOG.values() if entry.trained]
    values = ", ".join(f"{entry.name} {getattr(entry, setting):g}" for entry in models)
    return f"[default: the model's own: {values}]"


_OPTIONS = with_options(
    click.option(
        "--mode",
        type=click.Choice(REQUESTABLE_MODES, case_sensitive=False),
        default="auto",
        show_default=True,
        help="Model size. auto: full if it fits on a live or declared worker, else lite.",
    ),
    click.option(
        "--frames",
        type=click.IntRange(MIN_FRAMES, MAX_FRAMES),
        default=DEFAULT_FRAMES,
        show_default=True,
        help="Length of the motion, at 30 frames a second.",
    ),
    click.option(
        "--seeds",
        type=click.IntRange(1, MAX_SEEDS),
        default=1,
        show_default=True,
        help="Jobs per row, with consecutive seeds from the row's seed (0 if it has none).",
    ),
    click.option(
        "--steps",
        type=click.IntRange(1, MAX_STEPS),
        help=f"Sampling steps. {_own('steps')}",
    ),
    click.option(
        "--guidance",
        type=click.FloatRange(0, MAX_GUIDANCE),
        callback=_finite,
        help=f"Classifier-free guidance scale; at most 1 switches it off. {_own('guidance')}",
    ),
    click.option(
        "--priority",
        type=click.IntRange(-MAX_PRIORITY, MAX_PRIORITY),
        default=0,
        show_default=True,
        help="Jobs with a higher priority run first.",
    ),
    click.option(
        "--formats",
        callback=_formats,
        default="npz",
        show_default=True,
        metavar="LIST",
        help=f"File formats ({', '.join(FORMATS)}), separated by commas.",
    ),
    click.option(
        "--model",
        type=click.Choice(tuple(CATALOG)),
        help=f"Model to use. [default: {PUBLISHED_MODEL} if it is imported (hymo models), else "
        f"{BUNDLED_MODEL}]",
    ),
)

_NAMES = ("mode", "frames", "seeds", "steps", "guidance", "priority", "formats", "model")

#: The file argument, and the options for reading and storing it.
file_options = with_options(
    click.argument("file", metavar="FILE|-"),
    click.option(
        "--format",
        "format_name",
        type=click.Choice(("csv", "tsv", "jsonl", "txt", "json")),
        help="Format of the file. [default: by its extension; csv for standard input]",
    ),
    click.option(
        "--encoding",
        callback=_encoding,
        metavar="NAME",
        help="Encoding of the file, such as windows-1252 or gb18030. "
        "[default: UTF-8, or UTF-16 if the file says so]",
    ),
    click.option(
        "--batch",
        metavar="NAME",
        help="Name of the batch. [default: that made from this file, else the file's name; "
        "stdin-… for standard input and pipes]",
    ),
    click.option(
        "--output",
        metavar="DIR",
        help="Folder of motion files. [env HYMO_OUTPUT; default <home>/output]",
    ),
    click.option(
        "--skip-invalid",
        is_flag=True,
        help="Submit the valid rows; write the others to <name>.invalid.csv (.tsv, .jsonl).",
    ),
    click.option(
        "--update",
        is_flag=True,
        help="Replace changed jobs that no worker has claimed yet; list the others.",
    ),
    click.option("--no-cache", is_flag=True, help="Do not reuse motions of earlier jobs."),
    click.option(
        "--yes", is_flag=True, help=f"Submit more than {ASKED} new jobs without being asked."
    ),
)


def _default_model() -> str:
    """The model of jobs that name none; it depends on the installed models."""
    app = click.get_current_context().find_object(App)
    if app is None:  # the command was not called through `hymo`, as in some tests
        return BUNDLED_MODEL
    return Catalog.read(app.settings().home).default


def default_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which receives them as `defaults: Defaults`."""

    @functools.wraps(command)
    def gathered(*args: Any, **values: Any) -> Any:
        values["model"] = values["model"] or _default_model()
        defaults = Defaults(**{name: values.pop(name) for name in _NAMES})
        return command(*args, defaults=defaults, **values)

    return _OPTIONS(gathered)
