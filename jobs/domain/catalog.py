"""The models that jobs may name: their revisions and memory, without importing any of them."""

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
#: Of jobs that name none, where nothing is installed: see `Catalog.default`.
DEFAULT_MODEL = BUNDLED_MODEL


@dataclass(frozen=True)
class ModelEntry:
    """One model as the queue sees it.

    Attributes:
        name: what a job's `model` column says.
        trained: False for the engine of tests, whose output is no motion worth keeping.
        guidance: classifier-free guidance scale of jobs that ask for none.
        steps: sampling steps of jobs that ask for none.
        revisions: mode → revision of the weights; part of a job's content identity. Only of weights
            that come along: a `Catalog` has those of installed ones.
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


#: cards.md, "GPU memory of Full at 100 frames, everything resident": the A10's row, whose pinned
#: loader (1.2 GB) lies between the A100's and the V100's. Lite: upstream names 24 GB against
#: Full's 26 GB with everything resident, the difference being weights.
_REFERENCE = {
    "full": MemoryProfile(_gb(12.1), _gb(5.3), _gb(3.8), _gb(1.2)),
    "lite": MemoryProfile(_gb(10.1), _gb(5.3), _gb(3.8), _gb(1.2)),
}

#: What sampling alone needs, measured on an H100 (docs/benchmarks.md, `benchmarks.gpu.memory`): the
#: weights in bfloat16 with what libraries work in, and what a motion adds in float32, rounded up.
#: The text encoder is not in it, since it is in memory at other times or on another card, and a
#: worker that computes in float32 offers so much less memory: docs/decisions/0010.
_SAMPLING = {
    "full": MemoryProfile(_gb(2.19), 0, _gb(0.04), 0),
    "lite": MemoryProfile(_gb(1.03), 0, _gb(0.03), 0),
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
    """The catalog's entry for `name`; raises `NotFoundError` naming the known ones."""
    try:
        return CATALOG[name]
    except KeyError:
        raise NotFoundError("model", name, f"known models: {', '.join(CATALOG)}") from None


@dataclass(frozen=True)
class Catalog:
    """The models with the revisions that are installed on this machine.

    Attributes:
        installed: model → mode → revision, of models that were imported: of the weights and of the
            text encoder, since the motions depend on both.
        models: all that is known of them.
    """

    installed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    models: Mapping[str, InstalledModel] = field(default_factory=dict)

    @classmethod
    def read(cls, home: Path) -> Catalog:
        """What is installed under a home; raises `ModelRecordError`."""
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
        """The model of jobs that name none: the published one where any mode is installed."""
        return PUBLISHED_MODEL if self.installed.get(PUBLISHED_MODEL) else BUNDLED_MODEL

    @property
    def served(self) -> tuple[str, ...]:
        """The models that a worker serves unless told otherwise: all that jobs get by default or
        have to name, without those of tests."""
        return (self.default,) if self.default == BUNDLED_MODEL else (self.default, BUNDLED_MODEL)

    def entry(self, name: str) -> ModelEntry:
        """A model with what is installed of it; raises `NotFoundError` naming the known ones."""
        entry = model_entry(name)
        return replace(entry, revisions={**entry.revisions, **self.installed.get(name, {})})


#: Where nothing is installed.
COMES_ALONG = Catalog()
