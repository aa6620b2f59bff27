"""`python -m benchmarks [--quick] [--json FILE] [NAME…]`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from benchmarks import browsing, claims, lifecycle, startup, submitting
from benchmarks.figure import Figure
from benchmarks.ground import Ground
from benchmarks.machine import machine
from benchmarks.scale import FULL, QUICK, Scale

BENCHES: dict[str, Callable[[Ground, Scale], Iterator[Figure]]] = {
    startup.BENCH: startup.figures,
    submitting.BENCH: submitting.figures,
    lifecycle.BENCH: lifecycle.figures,
    browsing.BENCH: browsing.figures,
    claims.BENCH: claims.figures,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(tuple(BENCHES)))
@click.option("--quick", is_flag=True, help="Small counts: does it work, not how fast it is.")
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the JSON document here. [default: standard output, the table on standard error]",
)
def main(names: tuple[str, ...], quick: bool, file: Path | None) -> None:
    """Measure speed and print every figure with its target.

    Figures do not affect the exit code, since they depend on the machine and its load.
    """
    start = time.monotonic()
    document: dict[str, object] = {"schema": "hymo.bench/1", "quick": quick, "machine": machine()}
    found: list[Figure] = []
    with Ground() as ground:
        for name in names or tuple(BENCHES):
            for figure in BENCHES[name](ground, QUICK if quick else FULL):
                found.append(figure)
                click.echo(line(figure), err=True)
    document["seconds"] = round(time.monotonic() - start, 1)
    document["figures"] = [figure.as_json() for figure in found]
    text = json.dumps(document, indent=2)
    if file is None:
        click.echo(text)
    else:
        file.write_text(text + "\n", "utf-8")


def line(figure: Figure) -> str:
    """The line of a figure in the table."""
    value = f"{figure.value:,.4g}" if figure.value < 1000 else f"{figure.value:,.0f}"
    verdict = {True: "ok", False: "MISSED", None: ""}[figure.ok]
    return (
        f"{figure.bench:10} {figure.database or '':11} {figure.name:48} {value:>9} "
        f"{figure.unit:10} {figure.target:>8} {verdict}".rstrip()
    )


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
