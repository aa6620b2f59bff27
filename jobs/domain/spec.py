"""The specification of a job: validated, immutable, and identified by its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

FPS = 30
MIN_FRAMES = 20
MAX_FRAMES = 360
DEFAULT_FRAMES = 100
MAX_STEPS = 1000
MAX_GUIDANCE = 100.0
MAX_SEED = 2**32 - 1
MAX_SEEDS = 10_000
MAX_PRIORITY = 1_000
#: From this priority on, jobs do not share their packs with others.
URGENT = 100
MAX_PROMPT = 4_096
FORMATS: tuple[str, ...] = ("npz", "bvh", "glb")
DEFAULT_FORMATS: tuple[str, ...] = ("npz",)
REQUESTABLE_MODES: tuple[str, ...] = ("full", "lite", "auto")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The original values of a row that was sent to a rewriter (docs/rewriting.md).

    Attributes:
        prompt, frames: the row's original values.
        asked: what the rewriter was asked for: `prompt`, `seconds` or both.
        outcome: `rewritten` or `unchanged`, or `failed` or `own_length` followed by a colon and the
            reason.
    """

    prompt: str
    frames: int
    asked: tuple[str, ...]
    outcome: str


@dataclass(frozen=True)
class JobSpec:
    """The request for one motion. Every value is already validated (see `jobs.promptfile`).

    Steps and guidance have no default here: a row without them gets the defaults of its model
    (`jobs.domain.catalog`), which are stored with the job.

    Attributes:
        custom_id: the row's id (or number), safe as a file name; unique in a batch with the seed.
        prompt: description of the motion, in any language.
        frames: length at 30 frames a second, 20–360.
        seed: seed of the noise, 0 … 2³²−1.
        mode: full, lite, or auto (chosen at submit, stored with the job).
        steps: Euler steps.
        guidance: classifier-free guidance scale; at most 1 switches guidance off.
        priority: jobs with a higher priority run first, −1000 … 1000.
        formats: file formats to write, from `FORMATS`, sorted and distinct.
        model: a name in `jobs.domain.catalog.CATALOG`.
        metadata: the row's other columns, shown in history.
        origin: the row's original values if prompt and frames may come from a rewriter.
    """

    custom_id: str
    prompt: str
    frames: int = DEFAULT_FRAMES
    seed: int = 0
    mode: str = "auto"
    steps: int = field(kw_only=True)
    guidance: float = field(kw_only=True)
    priority: int = 0
    formats: tuple[str, ...] = DEFAULT_FORMATS
    model: str = "tiny"
    metadata: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None

    @property
    def original_prompt(self) -> str | None:
        """The row's original prompt if a different one is sampled; else None."""
        if self.origin is None or self.origin.prompt == self.prompt:
            return None
        return self.origin.prompt

    @property
    def rewrite(self) -> str | None:
        """The outcome of rewriting; None if no rewriter was asked."""
        return None if self.origin is None else self.origin.outcome

    def row_hash(self) -> str:
        """Hash of the row's request; on a resubmit it distinguishes `existing` from `changed`.

        It covers which values a rewriter was asked for, but not the rewriter's answer.
        """
        own = self.origin
        return _digest(
            [
                self.prompt if own is None else own.prompt,
                self.frames if own is None else own.frames,
                self.seed, self.mode, self.steps, self.guidance,
                self.priority, list(self.formats), self.model,
                dict(sorted(self.metadata.items())),
                *([] if own is None else [list(own.asked)]),
            ]
        )  # fmt: skip

    def content_hash(self, mode: str, revision: str) -> str:
        """Hash of all that determines the motion, including the mode and the model's revision."""
        return _digest(
            [
                self.prompt, self.frames, self.seed, mode, self.steps, self.guidance,
                self.model, revision,
            ]
        )  # fmt: skip


def _digest(values: list[object]) -> str:
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def stem(custom_id: str, seed: int) -> str:
    """The name of a job's files without their extension."""
    return f"{custom_id}_s{seed}"
