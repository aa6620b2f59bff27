"""The option of commands that wait for a database that is away."""

from __future__ import annotations

import click

#: `--outage`, which the command gives to `App.settings`.
outage_option = click.option(
    "--outage",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Wait this long for a database that went away, then exit with 7. "
    "[default: HYMO_OUTAGE, 300]",
)
