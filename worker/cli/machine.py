"""Options that `up` and `run` share: which devices work, and for what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from worker.options import WorkerOptions

F = TypeVar("F", bound=Callable[..., Any])


def machine_options(command: F) -> F:
    """Add `--devices --memory --modes --models` to a command."""
    options = (
        click.option("--devices", default="auto", show_default=True, metavar="LIST",
                     help="cpu, cuda:N or N, comma-separated; auto is every GPU, else the CPU."),
        click.option("--memory", type=float, metavar="GIB",
                     help="Memory budget of each worker. [default: what its device has]"),
        click.option("--serve", "modes", default="full,lite", show_default=True, metavar="LIST",
                     help="Modes to serve: full, lite or both."),
        click.option("--models", default="tiny", show_default=True, metavar="LIST",
                     help="Models to load and serve."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def machine_crew(
    devices: str, memory: float | None, modes: str, models: str
) -> tuple[WorkerOptions, ...]:
    """The workers these options ask for, one a device."""
    from dataclasses import replace

    from worker import options
    from worker.device import devices as present
    from worker.device import find_device

    crew = options.crew_options(
        devices,
        tuple(device.name for device in present()),
        memory_gib=memory,
        served=options.modes(modes, flag="--serve"),
        loaded=options.models(models),
    )
    # By its own name: "0" and "cuda:0" are one device, and get one worker.
    found = {find_device(one.device, flag="--devices").name: one for one in crew}
    return tuple(replace(one, device=name) for name, one in found.items())
