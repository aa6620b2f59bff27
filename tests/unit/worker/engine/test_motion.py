"""The motion engine: motions that fail in a fast number type are sampled again in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch

import hymotion
from hymotion.errors import NumericsError
from hymotion.loading.model import bundled_folder
from jobs.domain.attempts import Claim
from worker.engine.fallback import LEAST, DtypeFallback
from worker.engine.motion import MotionEngine
from worker.engine.protocol import Sampled
from worker.errors import EngineLoadError, SamplingError
from worker.planning.precision import SAFE

Make = Callable[..., Claim]


class FailingPipeline:
    """tiny Lite, in which `bad` prompts fail except in float32, and `hopeless` ones always."""

    def __init__(
        self,
        dtype: str,
        bad: set[str],
        hopeless: set[str],
        log: list[str],
        prepared: list[list[str]],
    ) -> None:
        self._real = hymotion.load(bundled_folder("tiny", "lite"), dtype=SAFE)
        self._dtype = dtype
        self._bad = bad if dtype != SAFE else hopeless
        self._log = log
        self._prepared = prepared
        self.decoder, self.config = self._real.decoder, self._real.config
        self._prompts: dict[int, str] = {}
        self.eager_because = "it is on a CPU"

    def encode(self, prompts: Sequence[str]) -> Any:
        texts = self._real.encode(prompts)
        return [
            _PromptConditioning(vtxt=text.vtxt, ctxt=text.ctxt, length=text.length).of(prompt)
            for text, prompt in zip(texts, prompts, strict=True)
        ]

    def prepare(self, requests: Any, texts: Sequence[Any]) -> Any:
        self._prepared.append([text.prompt for text in texts])
        return [text.prompt for text in texts], self._real.prepare(requests, texts)

    def solve(self, pack: Any, *, on_step: Any) -> Any:
        prompts, prepared = pack
        self._log.append(f"{self._dtype} {' '.join(prompts)}")
        broken = [place for place, prompt in enumerate(prompts) if prompt in self._bad]
        if broken:
            raise NumericsError(step=2, total=3, indices=broken)
        return self._real.solve(prepared, on_step=on_step)


class _PromptConditioning(hymotion.TextConditioning):
    """A conditioning with its prompt."""

    prompt: str

    def of(self, prompt: str) -> _PromptConditioning:
        object.__setattr__(self, "prompt", prompt)
        return self


class EngineSetup:
    """An engine with failing pipelines, and a log of their calls."""

    def __init__(self, *, bad: str = "", hopeless: str = "") -> None:
        self.log: list[str] = []
        self.prepared: list[list[str]] = []
        self.fallbacks: list[str] = []
        self.eager: list[str] = []
        self.precision = DtypeFallback(model="tiny", dtype="float16")
        self.loads: list[str] = []
        self.granted = self.broken = False
        self.grants: list[bool] = []
        self._bad, self._hopeless = set(bad.split()), set(hopeless.split())
        self.engine = MotionEngine(
            model="tiny",
            mode="lite",
            load=self._load,
            device="cpu",
            precision=self.precision,
            on_fallback=self.fallbacks.append,
            on_eager=self.eager.append,
            loading=self._loading,
        )

    @contextmanager
    def _loading(self) -> Iterator[None]:
        self.granted = True
        yield
        self.granted = False

    def _load(self, dtype: str) -> Any:
        self.loads.append(dtype)
        if self.broken:
            raise FileNotFoundError("weights.safetensors")
        self.grants.append(self.granted)
        return FailingPipeline(dtype, self._bad, self._hopeless, self.log, self.prepared)

    def sample(self, claims: Sequence[Claim]) -> Sampled:
        return self.engine.sample(claims, self.engine.encode(claims, {}), lambda *_: None)


@pytest.fixture
def pack(claim: Make) -> Callable[[str], list[Claim]]:
    """Claims of prompts."""

    def make(prompts: str) -> list[Claim]:
        return [
            claim(prompt, prompt=prompt, frames=20, steps=2, mode="lite", model="tiny", seed=seed)
            for seed, prompt in enumerate(prompts.split())
        ]

    return make


def test_a_pack_that_is_well_is_computed_once(pack: Callable[[str], list[Claim]]) -> None:
    setup = EngineSetup()
    runs = setup.sample(pack("a b c")).runs
    assert setup.log == ["float16 a b c"]
    assert [run.dtype for run in runs] == ["float16"] * 3
    assert [run.numerics_step for run in runs] == [None] * 3


def test_a_prepared_pack_is_sampled_as_it_is_and_gives_the_same(
    pack: Callable[[str], list[Claim]],
) -> None:
    setup, claims = EngineSetup(), pack("a b c")
    prepared = setup.engine.prepare(claims, {})
    assert prepared is not None
    encoded = setup.engine.encode(claims, {})
    ahead = setup.engine.sample(claims, encoded, lambda *_: None, prepared)
    assert len(setup.prepared) == 1
    plain = setup.sample(claims)
    assert len(setup.prepared) == 2
    for latent, other in zip(ahead.latents, plain.latents, strict=True):
        assert torch.equal(latent, other)
    # Another pack than the one that was prepared, such as half of it.
    half = setup.engine.sample(claims[:2], encoded[:2], lambda *_: None, prepared)
    assert len(setup.prepared) == 3
    assert [len(latent) for latent in half.latents] == [20, 20]


def test_a_pack_is_not_prepared_for_a_pipeline_that_must_be_reloaded(
    pack: Callable[[str], list[Claim]],
) -> None:
    setup = EngineSetup(bad="b")
    setup.sample(pack("a b"))  # float32 is in memory now
    assert setup.engine.prepare(pack("c"), {}) is None
    assert setup.sample(pack("c")).runs[0].dtype == "float16"


def test_each_attempt_says_its_path_and_a_gpu_says_once_why_it_is_eager(
    pack: Callable[[str], list[Claim]],
) -> None:
    setup = EngineSetup()
    pipeline = setup.engine._pipeline
    assert pipeline is not None
    setup.engine._on_gpu = True
    pipeline.eager_because = ""
    assert [run.path for run in setup.sample(pack("a b")).runs] == ["fused", "fused"]
    pipeline.eager_because = "its kernels failed"
    for _ in range(2):
        assert [run.path for run in setup.sample(pack("a")).runs] == ["eager"]
    assert setup.eager == ["its kernels failed"]


def test_only_what_broke_is_sampled_again(pack: Callable[[str], list[Claim]]) -> None:
    setup, plain = EngineSetup(bad="b d"), EngineSetup()
    claims = pack("a b c d")
    sampled = setup.sample(claims)
    runs = sampled.runs
    assert setup.log == ["float16 a b c d", "float16 a c", "float32 b d"]
    assert [run.dtype for run in runs] == ["float16", SAFE, "float16", SAFE]
    assert [run.numerics_step for run in runs] == [None, 2, None, 2]
    assert [run.numerics_dtype for run in runs] == [None, "float16", None, "float16"]
    # Each in its own place: packs of other sizes round otherwise, other seeds are whole units away.
    for latent, other in zip(sampled.latents, plain.sample(claims).latents, strict=True):
        assert torch.allclose(latent, other, atol=1e-3)


def test_there_is_one_pipeline_at_a_time_and_the_fast_one_comes_back(
    pack: Callable[[str], list[Claim]],
) -> None:
    setup = EngineSetup(bad="b")
    first, _, last = (setup.sample(pack(prompts)) for prompts in ("a b", "a c", "a c"))
    assert setup.loads == ["float16", SAFE, "float16"]
    assert [run.loads for run in first.runs] == [1, 0]
    assert [run.loads for run in last.runs] == [0, 0]


def test_a_reload_has_the_time_that_loading_takes(pack: Callable[[str], list[Claim]]) -> None:
    """No step is reported meanwhile, so that the leases would be lost without it."""
    setup = EngineSetup(bad="b")
    setup.sample(pack("a b"))
    assert setup.loads == ["float16", SAFE]
    assert setup.grants == [False, True], "the first load is the pool's"
    assert not setup.granted


def test_a_reload_that_fails_is_told_from_a_job_that_fails(
    pack: Callable[[str], list[Claim]],
) -> None:
    setup = EngineSetup(bad="b")
    setup.broken = True
    with pytest.raises(EngineLoadError, match="tiny lite cannot be loaded: FileNotFoundError"):
        setup.sample(pack("a b"))


def test_what_breaks_in_float32_too_is_named(pack: Callable[[str], list[Claim]]) -> None:
    setup = EngineSetup(bad="b d", hopeless="d")
    with pytest.raises(SamplingError, match="in float32") as caught:
        setup.sample(pack("a b c d"))
    assert caught.value.indices == (3,)


def test_a_type_that_fails_too_often_is_given_up_once(pack: Callable[[str], list[Claim]]) -> None:
    setup = EngineSetup(bad="b")
    for _ in range(LEAST + 2):
        setup.sample(pack("a b"))
    assert setup.fallbacks == ["float16"]
    assert setup.precision.dtype == SAFE
    setup.log.clear()
    runs = setup.sample(pack("a b")).runs
    assert setup.log == ["float32 a b"]
    assert [run.dtype for run in runs] == [SAFE, SAFE]


def test_a_real_overflow_of_float16_is_mended(claim: Make) -> None:
    """Weights that float16 can represent, but whose products overflow in it."""
    claims = [claim("a", prompt="a person walks", frames=20, steps=3, mode="lite", model="tiny")]

    def load(dtype: str) -> hymotion.Pipeline:
        pipeline = hymotion.load(bundled_folder("tiny", "lite"), dtype=dtype)
        block = pipeline._flow.motion_transformer.double_blocks[0]
        with torch.no_grad():
            block.motion_mlp.fc1.weight.mul_(2e4)
        return pipeline

    engine = MotionEngine(
        model="tiny", mode="lite", load=load, device="cpu",
        precision=DtypeFallback(model="tiny", dtype="float16"),
    )  # fmt: skip
    encoded = engine.encode(claims, {})
    sampled = engine.sample(claims, encoded, lambda *_: None)
    (latent,), (run,) = sampled.latents, sampled.runs
    assert latent.isfinite().all()
    assert run.dtype == SAFE
    assert run.numerics_step is not None
    assert run.numerics_step <= 2
    exact = load(SAFE)
    (wanted,) = exact.denoise(
        [hymotion.Request(frames=20, seed=0, conditioning=encoded[0].text, steps=3,
                          guidance=5.0)],
        [encoded[0].text],
    )  # fmt: skip
    assert torch.equal(latent, wanted)
