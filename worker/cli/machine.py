"""Options that `up`, `run` and `worker` share: which devices work, and for what."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.context import with_options
from worker import options
from worker.options import WorkerOptions

if TYPE_CHECKING:
    from worker.supervision.node import Node

#: How a worker serves which models. Names are those of `WorkerOptions`.
model_options = with_options(
    click.option("--models", metavar="LIST", callback=lambda *given: options.models(given[-1]),
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

_MACHINE = with_options(
    click.option("--devices", default="auto", show_default=True, metavar="LIST",
                 help="cpu, cuda:N or N, comma-separated; auto is every GPU, else the CPU."),
    click.option("--memory", "memory_gib", type=float, metavar="GIB",
                 help="Memory budget of each worker. [default: what its device has]"),
    click.option("--serve", "modes", default="full,lite", show_default=True, metavar="LIST",
                 callback=lambda *given: options.modes(given[-1], flag="--serve"),
                 help="Modes to serve: full, lite or both."),
)  # fmt: skip

_EACH = ("memory_gib", "modes", "models", "dtype", "text_plan", "quantise")


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--devices --memory --serve` and `model_options` to a command, which receives the options
    of the workers that they ask for, one a device, as `workers`."""

    @functools.wraps(command)
    def gathered(*args: Any, devices: str, **values: Any) -> Any:
        each = WorkerOptions(**{name: values.pop(name) for name in _EACH})
        return command(*args, workers=_workers(devices, each), **values)

    return _MACHINE(model_options(gathered))


def _workers(devices: str, each: WorkerOptions) -> tuple[WorkerOptions, ...]:
    from worker.device.discovery import devices as present
    from worker.device.discovery import find_device

    names = tuple(device.name for device in present())
    # By its own name: "0" and "cuda:0" are one device, and get one worker.
    found = {
        find_device(one.device, flag="--devices").name: one
        for one in options.worker_options(devices, names, each)
    }
    return tuple(replace(one, device=name) for name, one in found.items())


def say_stopping(node: Node) -> None:
    """Say on stderr how many motions are in hand."""
    from jobs.errors import UnreachableError

    try:
        number = node.in_hand()
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
