"""Engines: what a worker runs a pack on. One engine is one model in one mode on one device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from jobs.distance import Features
from jobs.models import model_entry
from jobs.records import Claim, Quality
from worker.errors import RevisionError
from worker.meter import memory_meter

#: Called after each solver step with (step, total); may raise to stop the pack.
OnStep = Callable[[int, int], None]


class Engine(Protocol):
    """The phases of a pack. Values between them are the engine's own business."""

    model: str
    mode: str

    def encode(self, claims: Sequence[Claim]) -> Sequence[Any]:
        """Text conditioning of each claim."""

    def sample(self, claims: Sequence[Claim], texts: Sequence[Any], on_step: OnStep) -> list[Any]:
        """A latent for each claim."""

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """A motion for each latent."""

    def measure(self, motions: Sequence[Any]) -> Sequence[Quality]:
        """What each motion is like.

        Raises:
            NotFiniteError: motions are not finite.
        """

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """What to keep of each finite motion for its distance to real ones; None: nothing."""

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        """Write one file; False when this engine has nothing to write."""

    def start_measuring(self) -> None:
        """Begin a new peak of device memory."""

    def peak_memory(self) -> int:
        """Peak of device memory since, bytes."""


class MotionEngine:
    """A HY-Motion pipeline.

    Args:
        model, mode: of the catalog.
        device: torch's name of the device, as seen by this process.
        dtype: number format of weights and network.

    Raises:
        RevisionError: the model found is not the one that jobs are queued for.
    """

    def __init__(self, *, model: str, mode: str, device: str, dtype: str = "float32") -> None:
        import hymotion
        from worker.fmd import shipped

        self.model = model
        self.mode = mode
        self._pipeline = hymotion.load_bundled(model, mode, device=device, dtype=dtype)
        wanted = model_entry(model).revisions[mode]
        if self._pipeline.revision != wanted:
            raise RevisionError(model, mode, self._pipeline.revision, wanted)
        self._memory = memory_meter(device)
        self._reference = shipped()

    def encode(self, claims: Sequence[Claim]) -> Sequence[Any]:
        """Text conditioning of each claim's prompt."""
        return self._pipeline.encode([claim.prompt for claim in claims])

    def sample(self, claims: Sequence[Claim], texts: Sequence[Any], on_step: OnStep) -> list[Any]:
        """Denoise the pack in one forward pass a step."""
        import hymotion

        requests = [
            hymotion.Request(
                conditioning=text,
                frames=claim.frames,
                seed=claim.seed,
                steps=claim.steps,
                guidance=claim.guidance,
            )
            for claim, text in zip(claims, texts, strict=True)
        ]

        def stepped(step: int, total: int) -> None:
            self._memory.look()
            on_step(step, total)

        return list(self._pipeline.denoise(requests, texts, on_step=stepped))

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """Motions of the latents."""
        return list(self._pipeline.decode(latents))

    def measure(self, motions: Sequence[Any]) -> Sequence[Quality]:
        """The quality of each motion; raises `NotFiniteError`."""
        from worker.quality import qualities

        return qualities(motions)

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """What to keep of each motion; nothing if the library came without a reference."""
        from worker.fmd import keep

        return keep(motions, self._reference)

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        """Write the motion in one of `jobs.spec.FORMATS`."""
        from hymotion.export import FORMATS

        metadata: dict[str, str | int | float] = {
            "prompt": claim.prompt,
            "seed": claim.seed,
            "mode": claim.mode,
            "steps": claim.steps,
            "guidance": claim.guidance,
            "model": claim.model,
            "revision": claim.revision,
        }
        FORMATS[format_].write(motion, path, metadata)
        return True

    def start_measuring(self) -> None:
        """Begin a new peak."""
        self._memory.reset()

    def peak_memory(self) -> int:
        """Peak bytes since."""
        return self._memory.peak()


class NullEngine:
    """The null model: goes through every phase and makes nothing.

    For benchmarks of the queue and dress rehearsals of a fleet.

    Args:
        mode: full or lite.
        step_seconds: how long a solver step pretends to take.
    """

    model = "null"

    def __init__(self, *, mode: str, step_seconds: float) -> None:
        self.mode = mode
        self._step_seconds = step_seconds

    def encode(self, claims: Sequence[Claim]) -> Sequence[Any]:
        """Nothing for each claim."""
        return [None] * len(claims)

    def sample(self, claims: Sequence[Claim], texts: Sequence[Any], on_step: OnStep) -> list[Any]:
        """Count the steps, pausing at each if so set."""
        total = claims[0].steps
        for step in range(1, total + 1):
            if self._step_seconds:
                time.sleep(self._step_seconds)
            on_step(step, total)
        return list(texts)

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """Nothing for each claim."""
        return list(latents)

    def measure(self, motions: Sequence[Any]) -> Sequence[Quality]:
        """Nothing is measured of no motion."""
        return [Quality()] * len(motions)

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """Nothing is kept of no motion."""
        return [None] * len(motions)

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:  # noqa: ARG002 — no motion
        """No file: there is no motion."""
        return False

    def start_measuring(self) -> None:
        """Nothing to measure."""

    def peak_memory(self) -> int:
        """The null model holds nothing."""
        return 0
