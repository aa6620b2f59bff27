"""Options that `up` and `run` share: which devices work, and for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from worker.options import WorkerOptions
    from worker.supervision.node import Station

F = TypeVar("F", bound=Callable[..., Any])


def model_options(command: F) -> F:
    """Add `--models --dtype --text-plan --quantise`: how a worker serves which models."""
    options = (
        click.option("--models", metavar="LIST",
                     help="Models to serve. [default: tiny, and what was imported]"),
        click.option("--dtype", default="auto", show_default=True,
                     type=click.Choice(("auto", "float32", "tf32", "bfloat16", "float16")),
                     help="Numbers that motions are computed in; auto is the fastest whose error "
                          "is known (docs/precision.md)."),
        click.option("--text-plan", default="auto", show_default=True,
                     type=click.Choice(("auto", "resident", "staged", "cached", "remote")),
                     help="Where an imported text encoder is kept; auto is what the memory allows "
                          "(docs/text.md)."),
        click.option("--quantise", type=click.Choice(("int8", "int4")),
                     help="Keep the language model of the text encoder in fewer bits."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def machine_options(command: F) -> F:
    """Add `--devices --memory --serve` and those of `model_options` to a command."""
    command = model_options(command)
    options = (
        click.option("--devices", default="auto", show_default=True, metavar="LIST",
                     help="cpu, cuda:N or N, comma-separated; auto is every GPU, else the CPU."),
        click.option("--memory", type=float, metavar="GIB",
                     help="Memory budget of each worker. [default: what its device has]"),
        click.option("--serve", "modes", default="full,lite", show_default=True, metavar="LIST",
                     help="Modes to serve: full, lite or both."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def machine_crew(
    devices: str,
    memory: float | None,
    modes: str,
    models: str | None,
    *,
    dtype: str,
    text_plan: str,
    quantise: str | None,
) -> tuple[WorkerOptions, ...]:
    """The workers these options ask for, one a device."""
    from dataclasses import replace

    from worker import options
    from worker.device.discovery import devices as present
    from worker.device.discovery import find_device

    crew = options.crew_options(
        devices,
        tuple(device.name for device in present()),
        memory_gib=memory,
        served=options.modes(modes, flag="--serve"),
        loaded=options.models(models),
        dtype=dtype,
        text_plan=text_plan,
        quantise=quantise,
    )
    # By its own name: "0" and "cuda:0" are one device, and get one worker.
    found = {find_device(one.device, flag="--devices").name: one for one in crew}
    return tuple(replace(one, device=name) for name, one in found.items())


def say_stopping(station: Station) -> None:
    """How much is in hand, on stderr."""
    from jobs.errors import UnreachableError

    try:
        number = station.in_hand()
    except UnreachableError:
        click.echo("stopping: motions in hand finish first; Ctrl-C again ends them now", err=True)
        return
    if number == 0:
        text = "no motion is in hand; Ctrl-C again ends the workers now"
    elif number == 1:
        text = "1 motion in hand finishes first; Ctrl-C again ends it now"
    else:
        text = f"{number} motions in hand finish first; Ctrl-C again ends them now"
    click.echo(f"stopping: {text}", err=True)
