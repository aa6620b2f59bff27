"""Fills a worker's garage: what can be loaded, and how. Nothing is loaded here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from worker.engine.fallback import Precision
from worker.engine.null import NullEngine
from worker.engine.pool import Encoder, ModelPool, Slot
from worker.engine.protocol import Engine
from worker.engine.texts import PromptFeatures
from worker.errors import RevisionError
from worker.planning.serving import ModelPlan, ServingPlan

if TYPE_CHECKING:
    import hymotion


@dataclass(frozen=True)
class Workshop:
    """What packs are run with.

    Attributes:
        garage: the engines and encoders.
        texts: model → where its texts are found, of models whose encoder is apart.
    """

    pool: ModelPool
    texts: Mapping[str, PromptFeatures]


def build_pool(
    household: ServingPlan,
    *,
    budget: int,
    device: str,
    quantise: str | None,
    embeddings: Path,
    capacity: int,
    null_step: float,
    on_fall: Callable[[str, str], None],
) -> Workshop:
    """A garage with a stall for everything that this worker serves.

    Args:
        household: what that is.
        budget: bytes of the device.
        device: torch's name of it.
        quantise: how text encoders are kept.
        embeddings: folder of the store of encoded texts.
        capacity: bytes that it may take.
        null_step: seconds that a step of the null model takes.
        on_fall: told the model and the number type that failed too often there.
    """
    engines: dict[tuple[str, str], Slot[Engine]] = {}
    encoders: dict[str, Slot[Encoder]] = {}
    texts: dict[str, PromptFeatures] = {}
    pool = ModelPool(
        engines=engines,
        encoders=encoders,
        budget=budget,
        together=household.together,
        resident=household.resident,
    )
    for serving in household.servings:
        if serving.texts is not None:
            found = _texts(serving, pool, embeddings=embeddings, capacity=capacity)
            texts[serving.model] = found
            if serving.texts.folder is not None:
                encoders[serving.model] = Slot(
                    partial(_encoder, serving.texts.folder, device, quantise),
                    weights=serving.texts.weights,
                )
        precision = Precision(model=serving.model, dtype=serving.dtype)
        fell = partial(on_fall, serving.model)
        for mode in serving.revisions:
            if serving.model == NullEngine.model:
                load: Callable[[], Engine] = partial(NullEngine, mode=mode, step_seconds=null_step)
            else:
                load = partial(
                    _motion,
                    serving,
                    mode,
                    device,
                    precision=precision,
                    texts=texts.get(serving.model),
                    on_fall=fell,
                )
            engines[serving.model, mode] = Slot(
                load,
                weights=serving.weights.get(mode, 0),
                surplus=serving.surplus.get(mode, 0),
            )
    return Workshop(pool, texts)


def _texts(
    serving: ModelPlan, pool: ModelPool, *, embeddings: Path, capacity: int
) -> PromptFeatures:
    from hymotion.text.store import EmbeddingStore

    if serving.texts is None:
        raise ValueError(serving.model)
    store = EmbeddingStore(embeddings, revision=serving.texts.revision, capacity=capacity)
    return PromptFeatures(
        store=store, plan=serving.texts.plan, encoder=partial(pool.encoder, serving.model)
    )


def _encoder(folder: Path, device: str, quantise: str | None) -> Encoder:
    from hymotion.text.official import OfficialEncoder

    return OfficialEncoder.load(folder, device=device, quantise=quantise)


def _motion(
    serving: ModelPlan,
    mode: str,
    device: str,
    *,
    precision: Precision,
    texts: PromptFeatures | None,
    on_fall: Callable[[str], None],
) -> Engine:
    from worker.engine.motion import MotionEngine

    return MotionEngine(
        model=serving.model,
        mode=mode,
        load=partial(_pipeline, serving, mode, device),
        device=device,
        precision=precision,
        texts=texts,
        on_fall=on_fall,
    )


def _pipeline(serving: ModelPlan, mode: str, device: str, dtype: str) -> hymotion.Pipeline:
    """The pipeline of a mode; raises `RevisionError` if it is not the one that jobs are for."""
    import hymotion

    folder, wanted = serving.folders.get(mode), serving.revisions[mode]
    if folder is not None:
        # Hashed when it was imported; `hymo models verify` does it again.
        return hymotion.load(folder, device=device, dtype=dtype, revision=wanted)
    pipeline = hymotion.load_bundled(serving.model, mode, device=device, dtype=dtype)
    if pipeline.revision != wanted:
        raise RevisionError(serving.model, mode, pipeline.revision, wanted)
    return pipeline
