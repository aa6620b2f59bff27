"""Run random inputs through the parsers: `python -m tests.fuzz N [NAME…]`.

Prints a line a parser and exits with 1 if one of them did anything but return or raise what it
documents. N is the number of inputs for each.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from tests.fuzz.parsers import SECONDS, Parser, parsers

#: Bytes that the inputs of one run may use, beside what the program itself uses.
ROOM = 2 * 2**30


class SlowError(BaseException):
    """An input took too long; no parser catches it."""


@dataclass(frozen=True)
class Finding:
    """What a parser did with an input, after the input was made as small as it can be."""

    content: bytes
    error: BaseException


def attempt(parser: Parser, content: bytes) -> None:
    """Parse; raises what is not documented, and `SlowError`."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        parser.parse(content)
    except parser.errors:
        pass
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


def fuzz(parser: Parser, number: int, chosen: int) -> tuple[int, Finding | None]:
    """Run `number` inputs, or fewer up to the first finding.

    Args:
        chosen: the seed of the inputs.

    Returns:
        The number of inputs, and the finding.
    """
    tried = 0
    last = b""

    @seed(chosen)
    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )
    @given(content=parser.inputs)
    def run(content: bytes) -> None:
        nonlocal tried, last
        tried, last = tried + 1, content
        attempt(parser, content)

    try:
        run()
    # Whatever a parser raises is what is looked for.
    except (Exception, SlowError) as error:
        return tried, Finding(last, error)
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return tried, Finding(last, error)
    return tried, None


def _slow(number: int, frame: FrameType | None) -> None:
    raise SlowError(f"more than {SECONDS:g} s")


def _bound_memory() -> None:
    """Let this process have `ROOM` more bytes than it has now."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


def main(arguments: list[str]) -> int:
    """Fuzz every parser, or those named; returns the exit code."""
    number, names = int(arguments[0]), arguments[1:]
    chosen = int.from_bytes(time.time_ns().to_bytes(8, "big")[4:], "big")
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGVTALRM, _slow)
    total = findings = 0
    print(f"seed {chosen}")
    known = parsers()
    if sys.platform == "linux":
        _bound_memory()
    for parser in known:
        if names and parser.name not in names:
            continue
        began = time.process_time()
        tried, finding = fuzz(parser, number, chosen)
        total += tried
        seconds = time.process_time() - began
        found = 0 if finding is None else 1
        print(f"{parser.name:20} {tried:9,} inputs {seconds:8.1f} s {found} findings", flush=True)
        if finding is not None:
            findings += 1
            error = finding.error
            print(f"  {type(error).__name__}: {str(error)[:300]}\n  {finding.content[:1000]!r}")
    print(f"{total:,} inputs, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
