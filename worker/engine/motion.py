"""The engine that computes: a HY-Motion pipeline in the number type that its card is fast in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.domain.attempts import Claim, Features, Quality, Run
from worker.device.memory_meter import memory_meter
from worker.engine.measures import keep, qualities, shipped
from worker.engine.protocol import OnStep
from worker.errors import BrokenError
from worker.planning.precision import SAFE

if TYPE_CHECKING:
    import hymotion
    from worker.engine.fallback import Precision
    from worker.engine.texts import PromptFeatures


class MotionEngine:
    """A pipeline, and a second one in float32 for what the first cannot compute.

    Args:
        model, mode: of the catalog.
        load: number type → a pipeline on the device.
        device: torch's name of it, as seen by this process.
        precision: which type to compute in, and how often it failed.
        texts: the texts of models whose encoder is apart; None: the pipeline encodes.
        on_fall: told the type that failed too often, once.
    """

    def __init__(
        self,
        *,
        model: str,
        mode: str,
        load: Callable[[str], hymotion.Pipeline],
        device: str,
        precision: Precision,
        texts: PromptFeatures | None = None,
        on_fall: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.model = model
        self.mode = mode
        self._load = load
        self._precision = precision
        self._texts = texts
        self._on_fall = on_fall
        self._memory = memory_meter(device)
        self._reference = shipped()
        self._dtype = self._used = precision.dtype
        pipeline = load(self._dtype)
        self._pipeline: hymotion.Pipeline | None = pipeline
        self._decoder = pipeline.decoder
        network = pipeline.config.network
        self._widths = (network.vtxt_input_dim, network.ctxt_input_dim)
        self._embeddings: Sequence[str | None] = ()
        self._fell: Mapping[int, int] = {}
        self._loads = 0

    def encode(self, claims: Sequence[Claim]) -> Sequence[Any]:
        """Text conditioning of each claim's prompt."""
        prompts = [claim.prompt for claim in claims]
        if self._texts is None:
            self._embeddings = [None] * len(claims)
            return self._in(self._precision.dtype).encode(prompts)
        found = self._texts.find(prompts)
        self._embeddings = [each.source for each in found]
        return [each.text for each in found]

    def blank(self) -> Any:
        """A short text's conditioning, or where the encoder is apart a token of zeros."""
        import torch

        import hymotion

        if self._texts is None:
            return self._in(self._precision.dtype).encode(["a person stands"])[0]
        pooled, token = (torch.zeros(1, width) for width in self._widths)
        return hymotion.TextConditioning(vtxt=pooled, ctxt=token, length=1)

    def sample(self, claims: Sequence[Claim], texts: Sequence[Any], on_step: OnStep) -> list[Any]:
        """Denoise the pack in one forward pass a step; what the fast type cannot compute is
        sampled again in float32."""
        from hymotion.errors import NumericsError

        self._loads = 0
        self._used = self._precision.dtype
        run = _Run(self, claims, texts, on_step)
        fell: dict[int, int] = {}
        places = list(range(len(claims)))
        while places and self._used != SAFE:
            try:
                run.denoise(self._used, places)
                places = []
            except NumericsError as error:
                fell |= dict.fromkeys((places[index] for index in error.indices), error.step)
                places = [place for place in places if place not in fell]
        again = sorted({*places, *fell})
        if again:
            try:
                run.denoise(SAFE, again)
            except NumericsError as error:
                bad = [again[index] for index in error.indices]
                raise BrokenError(str(error), bad) from error
        self._fell = fell
        self._note(len(claims), resampled=len(fell))
        return run.latents()

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """Motions of the latents."""
        return [self._decoder.decode(latent) for latent in latents]

    def measure(self, motions: Sequence[Any]) -> Sequence[Quality]:
        """The quality of each motion; raises `NotFiniteError`."""
        return qualities(motions)

    def features(self, motions: Sequence[Any]) -> Sequence[Features | None]:
        """What to keep of each motion; nothing if the library came without a reference."""
        return keep(motions, self._reference)

    def write(self, claim: Claim, motion: Any, format_: str, path: Path) -> bool:
        """Write the motion in one of `jobs.domain.spec.FORMATS`."""
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

    def runs(self, claims: Sequence[Claim]) -> Sequence[Run]:
        """How each job of the pack was run."""
        return [
            Run(
                dtype=SAFE if place in self._fell else self._used,
                plan=None if self._texts is None else self._texts.plan.value,
                embedding=self._embeddings[place],
                loads=self._loads if place == 0 else 0,
                numerics_step=self._fell.get(place),
                numerics_dtype=self._used if place in self._fell else None,
            )
            for place in range(len(claims))
        ]

    def start_measuring(self) -> None:
        """Begin a new peak."""
        self._memory.reset()

    def peak_memory(self) -> int:
        """Peak bytes since."""
        return self._memory.peak()

    def close(self) -> None:
        """Let go of the weights."""
        self._pipeline = None

    def denoise(
        self, dtype: str, requests: Sequence[Any], texts: Sequence[Any], on_step: OnStep
    ) -> Sequence[Any]:
        """Latents of requests, computed in a type."""

        def stepped(step: int, total: int) -> None:
            self._memory.look()
            on_step(step, total)

        return self._in(dtype).denoise(requests, texts, on_step=stepped)

    def _note(self, motions: int, *, resampled: int) -> None:
        before = self._precision.given_up
        self._precision.note(motions, resampled=resampled)
        after = self._precision.given_up
        if after is not None and before is None:
            self._on_fall(after)

    def _in(self, dtype: str) -> hymotion.Pipeline:
        """The pipeline in a type. There is never more than one: a small card has no room for two,
        and a change is rare."""
        if self._pipeline is None or self._dtype != dtype:
            self._pipeline = None
            self._pipeline, self._dtype = self._load(dtype), dtype
            self._loads += 1
        return self._pipeline


class _Run:
    """One pack on its way through one or two number types."""

    def __init__(
        self,
        engine: MotionEngine,
        claims: Sequence[Claim],
        texts: Sequence[Any],
        on_step: OnStep,
    ) -> None:
        self._engine = engine
        self._requests = [_request(c, text) for c, text in zip(claims, texts, strict=True)]
        self._texts = texts
        self._on_step = on_step
        self._latents: dict[int, Any] = {}

    def denoise(self, dtype: str, places: Sequence[int]) -> None:
        """Compute the latents of these places."""
        made = self._engine.denoise(
            dtype,
            [self._requests[place] for place in places],
            [self._texts[place] for place in places],
            self._on_step,
        )
        self._latents |= dict(zip(places, made, strict=True))

    def latents(self) -> list[Any]:
        """All of them, in order."""
        return [self._latents[place] for place in range(len(self._requests))]


def _request(claim: Claim, text: Any) -> hymotion.Request:
    import hymotion

    return hymotion.Request(
        conditioning=text,
        frames=claim.frames,
        seed=claim.seed,
        steps=claim.steps,
        guidance=claim.guidance,
    )
