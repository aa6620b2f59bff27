"""Validate a raw row: the result is its job specs, or all its problems."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from jobs.domain.catalog import CATALOG
from jobs.domain.names import ID_RULE, MAX_ID, id_fault, normal
from jobs.domain.spec import (
    FORMATS,
    FPS,
    MAX_FRAMES,
    MAX_GUIDANCE,
    MAX_PRIORITY,
    MAX_PROMPT,
    MAX_SEED,
    MAX_SEEDS,
    MAX_STEPS,
    MIN_FRAMES,
    REQUESTABLE_MODES,
    JobSpec,
)
from jobs.errors import shown
from jobs.promptfile.cell import decimal, grouped, text_fault, trimmed, whole
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.metadata import read_metadata
from jobs.promptfile.problem import Problem
from jobs.promptfile.raw import RawRow

_SEPARATORS = re.compile(r"[;,\s]+")


@dataclass(frozen=True)
class Row:
    """A valid row: `seeds` jobs like `spec`, with consecutive seeds from `spec.seed`.

    `timed`: whether the row gives a length, rather than using the default.
    `commas`: whether a number has a decimal comma.
    `reread`: whether earlier versions may have read the row differently.
    """

    raw: RawRow
    spec: JobSpec
    seeds: int
    timed: bool
    commas: bool = False
    reread: bool = False

    @property
    def number(self) -> int:
        """1-based number among the file's rows."""
        return self.raw.number

    @property
    def line(self) -> int:
        """Physical line on which the row begins."""
        return self.raw.line

    def specs(self) -> Iterator[JobSpec]:
        """The jobs of the row."""
        yield self.spec
        for step in range(1, self.seeds):
            yield replace(self.spec, seed=self.spec.seed + step)


@dataclass(frozen=True)
class BadRow:
    """An invalid row with its problems."""

    raw: RawRow
    problems: tuple[Problem, ...]


def read_row(raw: RawRow, defaults: Defaults) -> Row | BadRow:
    """Validate every value of a row and collect all problems.

    If the reader found a problem with the row as a whole, its values are not checked, since its
    cells may be shifted.
    """
    if any(problem.column is None for problem in raw.problems):
        return BadRow(raw, raw.problems)
    cells = _Cells(raw)
    custom_id = cells.custom_id()
    prompt = cells.prompt()
    frames = cells.frames(defaults.frames)
    seed = cells.whole("seed", 0, 0, MAX_SEED)
    seeds = cells.whole("seeds", defaults.seeds, 1, MAX_SEEDS)
    if seed + seeds - 1 > MAX_SEED:
        cells.wrong("seeds", f"{seeds} seeds from {seed} go beyond {MAX_SEED}", "lower the seed")
    model = cells.choice("model", defaults.model, tuple(CATALOG))
    own = CATALOG[model]
    steps = own.steps if defaults.steps is None else defaults.steps
    guidance = own.guidance if defaults.guidance is None else defaults.guidance
    spec = JobSpec(
        custom_id=custom_id,
        prompt=prompt,
        frames=frames,
        seed=seed,
        mode=cells.choice("mode", defaults.mode, REQUESTABLE_MODES),
        steps=cells.whole("steps", steps, 1, MAX_STEPS),
        guidance=cells.decimal("guidance", guidance, 0.0, MAX_GUIDANCE),
        priority=cells.whole("priority", defaults.priority, -MAX_PRIORITY, MAX_PRIORITY),
        formats=cells.formats(defaults.formats),
        model=model,
        metadata=cells.metadata(),
    )
    if cells.problems:
        return BadRow(raw, tuple(cells.problems))
    timed = cells.given("frames") is not None or cells.given("seconds") is not None
    return Row(
        raw=raw, spec=spec, seeds=seeds, timed=timed, commas=cells.commas, reread=cells.reread
    )


class _Cells:
    """The cells of one row, and the problems found in them so far.

    Every method returns a value of the right type even if it records a problem, so that the rest of
    the row is still checked.
    """

    def __init__(self, raw: RawRow) -> None:
        self._raw = raw
        self._values: Mapping[str, object] = raw.values
        self._typed = raw.typed
        # Where the decimal mark is a comma, a dot may separate thousands.
        self._dots = raw.delimiter != ","
        self.commas = False
        self.reread = raw.reread
        self.problems = list(raw.problems)

    def wrong(self, column: str | None, message: str, mend: str) -> None:
        """Record a problem."""
        self.problems.append(Problem(self._raw.line, column, message, mend))

    def given(self, column: str) -> object | None:
        """The cell's value; None if there is none (no column, empty cell, null)."""
        value = self._values.get(column)
        # Called for every column of every row: most have no cell, others are ASCII.
        if value is None or self._typed or not isinstance(value, str):
            return value
        return value if (value.strip() if value.isascii() else trimmed(value)) else None

    def custom_id(self) -> str:
        value = self.given("id")
        if value is None:
            return str(self._raw.number)
        if self._typed and isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and not self._typed:
            value = trimmed(value)
        if not isinstance(value, str):
            self.wrong("id", f"{shown(value)} is not text", "write it in quotes")
        # Normalising takes time that grows with the square of the length, and shortens a name to a
        # fourth of it at most.
        elif found := id_fault(custom_id := normal(value) if len(value) <= 4 * MAX_ID else value):
            self.wrong("id", f"{shown(value)} {found}", ID_RULE)
        else:
            return custom_id
        return ""

    def prompt(self) -> str:
        value = self.given("prompt")
        if value is None:
            self.wrong("prompt", "is missing", "say what the motion should show")
            return ""
        if not isinstance(value, str):
            self.wrong("prompt", f"{shown(value)} is not text", "write it in quotes")
            return ""
        prompt = trimmed(value)
        self.reread = self.reread or prompt != value.strip()
        if not prompt:
            self.wrong("prompt", "is empty", "say what the motion should show")
        elif len(prompt) > MAX_PROMPT:
            length = f"has {len(prompt)} characters"
            self.wrong("prompt", length, f"use at most {MAX_PROMPT}")
        elif found := text_fault(prompt):
            self.wrong("prompt", *found)
        return prompt

    def frames(self, default: int) -> int:
        seconds = self.given("seconds")
        if seconds is None:
            return self.whole("frames", default, MIN_FRAMES, MAX_FRAMES)
        if self.given("frames") is not None:
            self.wrong("seconds", "frames and seconds are both given", "leave one of them empty")
            return default
        low, high = MIN_FRAMES / FPS, MAX_FRAMES / FPS
        number = self._decimal(seconds)
        frames = None if number is None else round(number * FPS)
        if frames is None or not MIN_FRAMES <= frames <= MAX_FRAMES:
            fault = "is not a number" if number is None else "is out of range"
            mend = f"use {low:.2f} to {high:g} seconds ({MIN_FRAMES} to {MAX_FRAMES} frames)"
            fault, mend = self._grouped(seconds) or (fault, mend)
            self.wrong("seconds", f"{shown(seconds)} {fault}", mend)
            return default
        return frames

    def whole(self, column: str, default: int, low: int, high: int) -> int:
        value = self.given(column)
        if value is None:
            return default
        number = whole(value, typed=self._typed, dots=self._dots)
        self.commas = self.commas or (isinstance(value, str) and "," in value)
        if number is not None and low <= number <= high:
            return number
        self._bad_number(column, value, "whole number", number is None, f"{low} to {high}")
        return default

    def decimal(self, column: str, default: float, low: float, high: float) -> float:
        value = self.given(column)
        if value is None:
            return default
        number = self._decimal(value)
        if number is not None and low <= number <= high:
            return number + 0.0  # -0.0 would have a different content hash than 0.0
        self._bad_number(column, value, "number", number is None, f"{low:g} to {high:g}")
        return default

    def _decimal(self, value: object) -> float | None:
        self.commas = self.commas or (isinstance(value, str) and "," in value)
        return decimal(value, typed=self._typed)

    def _grouped(self, value: object) -> tuple[str, str] | None:
        """Fault and mend of a number whose mark may be a decimal one or separate thousands."""
        if self._typed or not isinstance(value, str):
            return None
        if not grouped(trimmed(value), dots=self._dots):
            return None
        mend = "write it without a mark between thousands, and with at most two decimals"
        return "can be read in two ways", mend

    def _bad_number(
        self, column: str, value: object, kind: str, unread: bool, between: str
    ) -> None:
        if found := self._grouped(value):
            self.wrong(column, f"{shown(value)} {found[0]}", found[1])
        elif not unread:
            self.wrong(column, f"{shown(value)} is out of range", f"use {between}")
        elif self._typed and isinstance(value, str):
            self.wrong(column, f"{shown(value)} is text", f"write a {kind} without quotes")
        else:
            mend = f"use {between}, in the digits 0-9"
            self.wrong(column, f"{shown(value)} is not a {kind}", mend)

    def choice(self, column: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.given(column)
        if value is None:
            return default
        word = trimmed(value).lower() if isinstance(value, str) else None
        if word in allowed:
            return word
        self.wrong(column, f"{shown(value)} is unknown", f"use {', '.join(allowed)}")
        return default

    def formats(self, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self.given("formats")
        if value is None:
            return default
        listed = _SEPARATORS.split(value) if isinstance(value, str) else value
        mend = f"use {', '.join(FORMATS)}, separated by ;"
        if not isinstance(listed, list):
            self.wrong("formats", f"{shown(value)} is not a list", mend)
            return default
        words = [word.strip().lower() if isinstance(word, str) else word for word in listed]
        unknown = [word for word in words if word and word not in FORMATS]
        wanted = {word for word in words if word in FORMATS}
        if unknown or not wanted:
            what = f"{shown(unknown[0])} is unknown" if unknown else "names no format"
            self.wrong("formats", what, mend)
            return default
        return tuple(sorted(wanted))

    def metadata(self) -> dict[str, str]:
        metadata, faults, shortened = read_metadata(self._values, typed=self._typed)
        self.reread = self.reread or shortened
        for column, message, mend in faults:
            self.wrong(column, message, mend)
        return metadata
