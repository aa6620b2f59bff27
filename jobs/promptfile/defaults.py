"""What a row that says nothing gets: the command line's defaults."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.domain.catalog import DEFAULT_MODEL
from jobs.domain.spec import DEFAULT_FORMATS, DEFAULT_FRAMES


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Already checked values for the columns that a row leaves empty; see `JobSpec`.

    `seeds` is how many jobs a row makes, with seeds counted up from the row's own (default 0).
    `steps` and `guidance` are None where the row's model decides
    (`jobs.domain.catalog.ModelEntry`).
    """

    mode: str = "auto"
    frames: int = DEFAULT_FRAMES
    seeds: int = 1
    steps: int | None = None
    guidance: float | None = None
    priority: int = 0
    formats: tuple[str, ...] = DEFAULT_FORMATS
    model: str = DEFAULT_MODEL
