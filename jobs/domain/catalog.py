"""The models that jobs can name, with their revisions and memory; imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from jobs.domain.installed import Installed, InstalledModel
from jobs.domain.memory import GB, GIB, MemoryProfile
from jobs.errors import NotFoundError

MODES: tuple[str, ...] = ("full", "lite")
BUNDLED_MODEL = "tiny"
PUBLISHED_MODEL = "hy-motion-1.0"
#: The model of jobs that name none if no model is installed; see `Catalog.default`.
DEFAULT_MODEL = BUNDLED_MODEL


@dataclass(frozen=True)
class ModelEntry:
    """One model as the queue sees it.

    Attributes:
        name: what a job's `model` column says.
        trained: False for the test engine, whose output is not a real motion.
        guidance: default classifier-free guidance scale.
        steps: default number of sampling steps.
        revisions: mode → revision of the weights, part of a job's content hash. Bundled weights
            only; a `Catalog` adds those of installed models.
        profiles: mode → memory profile.
    """

    name: str
    trained: bool
    guidance: float
    steps: int
    revisions: Mapping[str, str]
    profiles: Mapping[str, MemoryProfile]


def _gb(value: float) -> int:
    return round(value * GB)


#: The A10's row of "GPU memory of Full at 100 frames, everything resident" (docs/cards.md); its
#: pinned loader (1.2 GB) is between the A100's and the V100's. Lite has 2 GB less weights, since
#: upstream states 24 GB for Lite and 26 GB for Full.
_REFERENCE = {
    "full": MemoryProfile(_gb(12.1), _gb(5.3), _gb(3.8), _gb(1.2)),
    "lite": MemoryProfile(_gb(10.1), _gb(5.3), _gb(3.8), _gb(1.2)),
}

#: Memory of sampling alone, measured on an H100 (docs/benchmarks.md, `benchmarks.gpu.memory`):
#: bfloat16 weights with library workspaces, and the float32 tensors of a motion, rounded up. The
#: text encoder is not included: it is in memory at other times or on another card. A worker that
#: computes in float32 offers less memory by the size of the larger weights (docs/decisions/0010).
_SAMPLING = {
    "full": MemoryProfile(_gb(2.19), 0, _gb(0.04), 0),
    "lite": MemoryProfile(_gb(1.03), 0, _gb(0.03), 0),
}

#: Resident set size of a CPU process with torch loaded (`make bench`), rounded up.
_TINY = {
    "full": MemoryProfile(GIB // 2, 24 * 2**20, 24 * 2**20, 0),
    "lite": MemoryProfile(GIB // 2, 16 * 2**20, 16 * 2**20, 0),
}

CATALOG: Mapping[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name=BUNDLED_MODEL,
            trained=True,
            guidance=1.5,
            steps=25,
            revisions={"full": "tiny-full-2", "lite": "tiny-lite-2"},
            profiles=_TINY,
        ),
        ModelEntry(
            name="null",
            trained=False,
            guidance=5.0,
            steps=50,
            revisions={"full": "null-1", "lite": "null-1"},
            profiles=_REFERENCE,
        ),
        ModelEntry(
            name=PUBLISHED_MODEL,
            trained=True,
            guidance=5.0,
            steps=50,
            revisions={},
            profiles=_SAMPLING,
        ),
    )
}


def model_entry(name: str) -> ModelEntry:
    """The catalog's entry for `name`; raises `NotFoundError`, which lists the known models."""
    try:
        return CATALOG[name]
    except KeyError:
        raise NotFoundError("model", name, f"known models: {', '.join(CATALOG)}") from None


@dataclass(frozen=True)
class Catalog:
    """The models with the revisions that are installed on this machine.

    Attributes:
        installed: model → mode → revision of imported models. The revision covers the weights and
            the text encoder, since the motions depend on both.
        models: name → the records of the imported models.
    """

    installed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    models: Mapping[str, InstalledModel] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path) -> Catalog:
        """Read the models installed under a home; raises `ModelRecordError`."""
        models = Installed.read(home).models
        return cls(
            {
                name: {mode: model.revision(mode) for mode in model.modes}
                for name, model in models.items()
                if name in CATALOG
            },
            models,
        )

    @property
    def default(self) -> str:
        """The model of jobs that name none: the published one if any of its modes is installed."""
        return PUBLISHED_MODEL if self.installed.get(PUBLISHED_MODEL) else BUNDLED_MODEL

    @property
    def served(self) -> tuple[str, ...]:
        """The models that a worker serves by default: all but the test engine."""
        return (self.default,) if self.default == BUNDLED_MODEL else (self.default, BUNDLED_MODEL)

    def entry(self, name: str) -> ModelEntry:
        """A model's entry with its installed revisions; raises `NotFoundError`."""
        entry = model_entry(name)
        return replace(entry, revisions={**entry.revisions, **self.installed.get(name, {})})


#: The catalog of a machine without installed models.
COMES_ALONG = Catalog()
