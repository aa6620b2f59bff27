"""`hymo worker`: one worker process on one device."""

from __future__ import annotations

import sys
from typing import Any

import click

from jobs.cli.context import App, pass_app
from worker.cli.machine import model_options
from worker.options import WorkerOptions, modes


@click.command()
@click.option("--device", default="auto", show_default=True, metavar="NAME",
              help="cpu, cuda:N or N; auto is the first GPU, else the CPU.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Worker name. [default: host-device]")
@click.option("--memory", "memory_gib", type=float, metavar="GIB",
              help="Memory budget in GiB. [default: what the device has]")  # fmt: skip
@click.option("--modes", default="full,lite", show_default=True, metavar="LIST",
              callback=lambda *given: modes(given[-1]),
              help="Modes to serve: full, lite or both.")  # fmt: skip
@model_options
@click.option("--threads", type=click.IntRange(min=1), metavar="N",
              help="CPU threads. [default: the cores near the device]")  # fmt: skip
@click.option("--parent", type=int, hidden=True, help="Drain when this process exits.")
@pass_app
def worker(app: App, /, **given: Any) -> int:
    """Run one worker on one device until SIGTERM, which lets the running pack finish.

    The worker takes every job class within its memory budget, biggest first. `hymo up` starts one
    worker per device of the machine and restarts workers that exit. A second worker of the same
    name on the same device waits until the first has exited.
    """
    from worker.errors import EngineError
    from worker.lifecycle import run_worker
    from worker.log import log_to_stderr

    settings = app.settings()
    log_to_stderr(settings)
    try:
        return run_worker(WorkerOptions(**given), settings)
    except Exception as error:
        # Looked up, not imported: a worker of the null model never loads the library.
        library = sys.modules.get("hymotion.errors")
        if library is not None and isinstance(error, library.HymotionError):
            raise EngineError(str(error)) from error
        raise
