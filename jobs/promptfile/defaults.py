"""The command line's defaults for values that a row does not give."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.domain.catalog import DEFAULT_MODEL
from jobs.domain.spec import DEFAULT_FORMATS, DEFAULT_FRAMES


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Validated values for columns that a row leaves empty; see `JobSpec`.

    `seeds` is the number of jobs per row, with consecutive seeds from the row's seed (default 0).
    If `steps` or `guidance` is None, the row's model decides (`jobs.domain.catalog.ModelEntry`).
    """

    mode: str = "auto"
    frames: int = DEFAULT_FRAMES
    seeds: int = 1
    steps: int | None = None
    guidance: float | None = None
    priority: int = 0
    formats: tuple[str, ...] = DEFAULT_FORMATS
    model: str = DEFAULT_MODEL
