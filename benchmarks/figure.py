"""A figure: one measured number and its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict


class FigureJson(TypedDict):
    """A figure in the JSON document."""

    bench: str
    name: str
    database: str | None
    value: float
    unit: str
    at_least: float | None
    at_most: float | None
    ok: bool | None


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number.

    Attributes:
        bench: the module of this package that measured it.
        name: name of the number.
        value, unit: the number.
        database: `sqlite` or `postgresql`; None if none is involved.
        at_least, at_most: the target; both None for a number without one.
    """

    bench: str
    name: str
    value: float
    unit: str
    database: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The target as text; empty without one."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    def as_json(self) -> FigureJson:
        """The figure for the JSON document, with four digits."""
        return {
            "bench": self.bench,
            "name": self.name,
            "database": self.database,
            "value": float(f"{self.value:.4g}"),
            "unit": self.unit,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "ok": self.ok,
        }
