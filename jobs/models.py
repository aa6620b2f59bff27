"""The models that jobs may name: their revisions and memory, without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs.errors import NotFoundError
from jobs.memory import GB, GIB, MemoryProfile

MODES: tuple[str, ...] = ("full", "lite")
DEFAULT_MODEL = "tiny"


@dataclass(frozen=True)
class ModelEntry:
    """One model as the queue sees it.

    Attributes:
        name: what a job's `model` column says.
        trained: False for seeded stand-ins, whose output is no motion worth keeping.
        revisions: mode → revision of the weights; part of a job's content identity.
        profiles: mode → memory profile.
    """

    name: str
    trained: bool
    revisions: Mapping[str, str]
    profiles: Mapping[str, MemoryProfile]


def _gb(value: float) -> int:
    return round(value * GB)


#: cards.md, "GPU memory of Full at 100 frames, everything resident": the A10's row, whose pinned
#: loader (1.2 GB) lies between the A100's and the V100's. Lite: upstream names 24 GB against
#: Full's 26 GB with everything resident, the difference being weights.
_REFERENCE = {
    "full": MemoryProfile(_gb(12.1), _gb(5.3), _gb(3.8), _gb(1.2)),
    "lite": MemoryProfile(_gb(10.1), _gb(5.3), _gb(3.8), _gb(1.2)),
}

#: A CPU process with torch loaded, measured as its resident set (`make bench`), rounded up.
_TINY = {
    "full": MemoryProfile(GIB // 2, 24 * 2**20, 24 * 2**20, 0),
    "lite": MemoryProfile(GIB // 2, 16 * 2**20, 16 * 2**20, 0),
}

CATALOG: Mapping[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="tiny",
            trained=False,
            revisions={"full": "tiny-full-untrained-1", "lite": "tiny-lite-untrained-1"},
            profiles=_TINY,
        ),
        ModelEntry(
            name="null",
            trained=False,
            revisions={"full": "null-1", "lite": "null-1"},
            profiles=_REFERENCE,
        ),
        ModelEntry(
            name="hy-motion-1.0",
            trained=True,
            revisions={"full": "1.0", "lite": "1.0"},
            profiles=_REFERENCE,
        ),
    )
}


def model_entry(name: str) -> ModelEntry:
    """The catalog's entry for `name`; raises `NotFoundError` naming the known ones."""
    try:
        return CATALOG[name]
    except KeyError:
        raise NotFoundError("model", name, f"known models: {', '.join(CATALOG)}") from None
