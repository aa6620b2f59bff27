"""What a person reads who asked `hymo run` or `hymo up` to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.station import Station


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
