"""The engine of the HY-Motion models: a pipeline in a number type that is fast on its card."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.domain.attempts import Claim, Features, MotionQuality, Run
from worker.device.memory_meter import memory_meter
from worker.engine.measures import measured, shipped
from worker.engine.protocol import Encoded, OnStep, Sampled
from worker.errors import EngineLoadError, SamplingError
from worker.planning.precision import SAFE

if TYPE_CHECKING:
    import hymotion
    from hymotion.sampling.prepared import PreparedPack
    from worker.engine.fallback import DtypeFallback
    from worker.engine.texts import PromptFeatures

log = logging.getLogger(__name__)


class MotionEngine:
    """An engine that runs a pipeline, and reloads it in float32 if the number type fails.

    Args:
        model, mode: their names in the catalog.
        load: number type → a pipeline on the device.
        device: the device's name in torch, as seen by this process.
        precision: the number type to compute in, with a count of its failures.
        texts: the texts of a model with a separate encoder; None: the pipeline encodes.
        on_fallback: called once, with the type that failed too often.
        on_eager: called with the reason why a pipeline on a GPU runs without its fused path.
        loading: entered while a pipeline is loaded again, which reports no progress.
    """

    def __init__(
        self,
        *,
        model: str,
        mode: str,
        load: Callable[[str], hymotion.Pipeline],
        device: str,
        precision: DtypeFallback,
        texts: PromptFeatures | None = None,
        on_fallback: Callable[[str], None] = lambda _: None,
        on_eager: Callable[[str], None] = lambda _: None,
        loading: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.model = model
        self.mode = mode
        self._load = load
        self._precision = precision
        self._texts = texts
        self._on_fallback = on_fallback
        self._on_eager = on_eager
        self._eager_because = ""
        self._on_gpu = device != "cpu"
        self._loading = loading
        self._memory = memory_meter(device)
        self._reference = shipped()
        self._dtype = precision.dtype
        pipeline = load(self._dtype)
        self._pipeline: hymotion.Pipeline | None = pipeline
        self._note_path(pipeline)
        self._decoder = pipeline.decoder
        network = pipeline.config.network
        self._widths = (network.vtxt_input_dim, network.ctxt_input_dim)

    def encode(self, claims: Sequence[Claim], found: dict[str, Any]) -> Sequence[Encoded]:
        """Text conditioning of each claim's prompt."""
        prompts = [claim.prompt for claim in claims]
        if self._texts is None:
            return [Encoded(text) for text in self._in(self._precision.dtype).encode(prompts)]
        return self._texts.complete(prompts, found)

    def prepare(self, claims: Sequence[Claim], found: dict[str, Any]) -> _Prepared | None:
        """The pack on the device; None if a text is missing, or the pipeline was reloaded."""
        pipeline, dtype = self._pipeline, self._precision.dtype
        if pipeline is None or self._dtype != dtype:
            return None
        prompts = [claim.prompt for claim in claims]
        if self._texts is None:
            texts = pipeline.encode(prompts)
        elif all(prompt in found for prompt in prompts):
            texts = [found[prompt] for prompt in prompts]
        else:
            return None
        requests = [_request(*each) for each in zip(claims, texts, strict=True)]
        return _Prepared(tuple(claims), dtype, pipeline.prepare(requests, texts))

    def blank(self) -> Encoded:
        """The conditioning of a short text, or a token of zeros if the encoder is separate."""
        import torch

        import hymotion

        if self._texts is None:
            return Encoded(self._in(self._precision.dtype).encode(["a person stands"])[0])
        pooled, token = (torch.zeros(1, width) for width in self._widths)
        return Encoded(hymotion.TextConditioning(vtxt=pooled, ctxt=token, length=1))

    def sample(
        self,
        claims: Sequence[Claim],
        encoded: Sequence[Encoded],
        on_step: OnStep,
        prepared: _Prepared | None = None,
    ) -> Sampled:
        """Denoise the pack with one forward pass per step.

        Motions that fail in the fast number type are sampled again in float32.
        """
        from hymotion.errors import NumericsError

        used = self._precision.dtype
        texts = [each.text for each in encoded]
        pack = _Denoising(claims, texts, on_step, prepared=prepared)
        fell: dict[int, int] = {}
        places = list(range(len(claims)))
        while places and used != SAFE:
            try:
                self._denoise(pack, used, places)
                places = []
            except NumericsError as error:
                fell |= dict.fromkeys((places[index] for index in error.indices), error.step)
                places = [place for place in places if place not in fell]
        again = sorted({*places, *fell})
        if again:
            try:
                self._denoise(pack, SAFE, again)
            except NumericsError as error:
                bad = [again[index] for index in error.indices]
                raise SamplingError(str(error), bad) from error
        self._note(len(claims), resampled=len(fell))
        latents = [pack.latents[place] for place in range(len(claims))]
        return Sampled(latents, self._runs(encoded, pack, used, fell))

    def decode(self, latents: Sequence[Any]) -> list[Any]:
        """Decode the latents to motions, all at once on the device."""
        return self._decoder.decode(latents)

    def measure(self, motions: Sequence[Any]) -> Sequence[tuple[MotionQuality, Features | None]]:
        """The quality and features of each motion; raises `NotFiniteError`."""
        return measured(motions, self._reference)

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
        FORMATS[format_].write(motion, path, metadata, new=True)
        return True

    def start_measuring(self) -> None:
        """Begin a new peak."""
        self._memory.reset()

    def peak_memory(self) -> int:
        """Peak bytes since `start_measuring`."""
        return self._memory.peak()

    def close(self) -> None:
        """Release the weights."""
        self._pipeline = None

    def _denoise(self, pack: _Denoising, dtype: str, places: Sequence[int]) -> None:
        """Compute the latents at these places of the pack in a number type."""

        def stepped(step: int, total: int) -> None:
            self._memory.sample()
            pack.on_step(step, total)

        pack.loads += self._pipeline is None or self._dtype != dtype
        pipeline = self._in(dtype)
        claims = [pack.claims[place] for place in places]
        prepared, pack.prepared = pack.prepared, None
        if prepared is None or (prepared.claims, prepared.dtype) != (tuple(claims), dtype):
            texts = [pack.texts[place] for place in places]
            requests = [_request(*each) for each in zip(claims, texts, strict=True)]
            prepared = _Prepared((), dtype, pipeline.prepare(requests, texts))
        made = pipeline.solve(prepared.pack, on_step=stepped)
        self._note_path(pipeline)
        pack.paths |= dict.fromkeys(places, "eager" if pipeline.eager_because else "fused")
        pack.latents |= dict(zip(places, made, strict=True))

    def _runs(
        self, encoded: Sequence[Encoded], pack: _Denoising, used: str, fell: Mapping[int, int]
    ) -> list[Run]:
        return [
            Run(
                dtype=SAFE if place in fell else used,
                plan=None if self._texts is None else self._texts.plan.value,
                embedding=each.source,
                loads=pack.loads if place == 0 else 0,
                path=pack.paths[place],
                numerics_step=fell.get(place),
                numerics_dtype=used if place in fell else None,
            )
            for place, each in enumerate(encoded)
        ]

    def _note_path(self, pipeline: hymotion.Pipeline) -> None:
        reason = pipeline.eager_because
        if self._on_gpu and reason and reason != self._eager_because:
            log.warning("%s %s runs without fused kernels: %s", self.model, self.mode, reason)
            self._on_eager(reason)
        self._eager_because = reason

    def _note(self, motions: int, *, resampled: int) -> None:
        before = self._precision.given_up
        self._precision.note(motions, resampled=resampled)
        after = self._precision.given_up
        if after is not None and before is None:
            self._on_fallback(after)

    def _in(self, dtype: str) -> hymotion.Pipeline:
        """The pipeline in a number type, reloaded if need be.

        Only one is kept: a small card has no memory for two, and a change is rare.
        """
        if self._pipeline is None or self._dtype != dtype:
            self._pipeline = None
            try:
                with self._loading():
                    self._pipeline, self._dtype = self._load(dtype), dtype
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                raise EngineLoadError(self.model, self.mode, reason) from error
        return self._pipeline


@dataclass(frozen=True)
class _Prepared:
    """A pack on the device.

    Attributes:
        claims: its jobs.
        dtype: the number type of the pipeline that prepared it.
        pack: for that pipeline.
    """

    claims: tuple[Claim, ...]
    dtype: str
    pack: PreparedPack


@dataclass
class _Denoising:
    """The state of a pack while it is denoised in one or two number types.

    Attributes:
        latents: place in the pack → latent, for the motions computed so far.
        loads: how often a pipeline was loaded for the pack.
        paths: place in the pack → how the network was run.
        prepared: the pack, if it was prepared and is not sampled yet.
    """

    claims: Sequence[Claim]
    texts: Sequence[Any]
    on_step: OnStep
    prepared: _Prepared | None = None
    latents: dict[int, Any] = field(default_factory=dict)
    loads: int = 0
    paths: dict[int, str] = field(default_factory=dict)


def _request(claim: Claim, text: Any) -> hymotion.Request:
    import hymotion

    return hymotion.Request(
        conditioning=text,
        frames=claim.frames,
        seed=claim.seed,
        steps=claim.steps,
        guidance=claim.guidance,
    )
