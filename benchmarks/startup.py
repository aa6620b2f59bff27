"""Start-up time of the command line."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figure import Figure
from benchmarks.ground import Ground
from benchmarks.process import measured
from benchmarks.scale import Scale

BENCH = "startup"


def figures(ground: Ground, scale: Scale) -> Iterator[Figure]:
    """Measure `hymo --help`, including the interpreter's start."""
    environ = ground.environ("sqlite:///unused.db")
    measured(ground.hymo("--help"), environ)  # compile what pip did not
    took = [measured(ground.hymo("--help"), environ).seconds for _ in range(scale.repeats)]
    yield Figure(bench=BENCH, name="hymo --help", value=min(took), unit="s", at_most=0.3)
