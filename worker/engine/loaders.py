"""Builds the loaders of a worker's models. Nothing is loaded yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.domain.memory import GIB
from jobs.settings import Settings
from worker.engine.fallback import DtypeFallback
from worker.engine.null import NullEngine
from worker.engine.pool import Encoder, ModelPool
from worker.engine.protocol import Engine
from worker.engine.texts import PromptFeatures
from worker.errors import RevisionError
from worker.planning.serving import EncoderPlan, ModelPlan, ServingPlan

if TYPE_CHECKING:
    import hymotion


def build_pool(
    plan: ServingPlan,
    settings: Settings,
    *,
    device: str,
    quantise: str | None,
    on_fallback: Callable[[str, str], None],
    on_eager: Callable[[str, str, str], None],
    loading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> tuple[ModelPool, Mapping[str, PromptFeatures]]:
    """Build the pool of the models that a worker serves; they are loaded on first use.

    Args:
        plan: the models.
        settings: the folder of encoded texts, and the step time of the null model.
        device: the device's name in torch.
        quantise: the quantisation of text encoders; None: as published.
        on_fallback: called with the model and the number type that was given up.
        on_eager: called with the model, the mode and the reason why fused kernels are not used.
        loading: entered while an engine loads its weights again during a pack.

    Returns:
        The pool, and model → its texts, for models with a separate encoder.
    """
    engines: dict[tuple[str, str], Callable[[], Engine]] = {}
    encoders: dict[str, Callable[[], Encoder]] = {}
    texts: dict[str, PromptFeatures] = {}
    pool = ModelPool(
        engines=engines,
        encoders=encoders,
        room=plan.room,
        together=plan.together,
        resident=plan.resident,
    )
    for model in plan.models:
        if model.encoder is not None:
            load = partial(pool.encoder, model.name)
            texts[model.name] = _features(model.encoder, settings, load)
            if model.encoder.folder is not None:
                encoders[model.name] = partial(
                    _load_encoder, model.encoder.folder, device, quantise
                )
        fallback = DtypeFallback(model=model.name, dtype=model.dtype)
        for mode in model.revisions:
            engines[model.name, mode] = (
                partial(NullEngine, mode=mode, step_seconds=settings.null_step)
                if model.name == NullEngine.model
                else partial(
                    _load_engine,
                    model,
                    mode,
                    device,
                    fallback=fallback,
                    texts=texts.get(model.name),
                    on_fallback=partial(on_fallback, model.name),
                    on_eager=partial(on_eager, model.name, mode),
                    loading=loading,
                )
            )
    return pool, texts


def _features(
    plan: EncoderPlan, settings: Settings, encoder: Callable[[], Encoder]
) -> PromptFeatures:
    from hymotion.text.store import EmbeddingStore

    capacity = round(settings.embeddings_gib * GIB)
    store = EmbeddingStore(settings.texts, revision=plan.demand.revision, capacity=capacity)
    return PromptFeatures(store=store, plan=plan.placement, encoder=encoder)


def _load_encoder(folder: Path, device: str, quantise: str | None) -> Encoder:
    from hymotion.text.official import OfficialEncoder

    return OfficialEncoder.load(folder, device=device, quantise=quantise)


def _load_engine(
    plan: ModelPlan,
    mode: str,
    device: str,
    *,
    fallback: DtypeFallback,
    texts: PromptFeatures | None,
    on_fallback: Callable[[str], None],
    on_eager: Callable[[str], None],
    loading: Callable[[], AbstractContextManager[None]],
) -> Engine:
    from worker.engine.motion import MotionEngine

    return MotionEngine(
        model=plan.name,
        mode=mode,
        load=partial(_load_pipeline, plan, mode, device),
        device=device,
        precision=fallback,
        texts=texts,
        on_fallback=on_fallback,
        on_eager=on_eager,
        loading=loading,
    )


def _load_pipeline(plan: ModelPlan, mode: str, device: str, dtype: str) -> hymotion.Pipeline:
    """Load the pipeline of a mode; raises `RevisionError` if its revision is not the planned."""
    import hymotion

    folder, wanted = plan.folders.get(mode), plan.revisions[mode]
    if folder is not None:
        # The import hashed the files; `hymo models verify` hashes them again.
        return hymotion.load(folder, device=device, dtype=dtype, revision=wanted)
    pipeline = hymotion.load_bundled(plan.name, mode, device=device, dtype=dtype)
    if pipeline.revision != wanted:
        raise RevisionError(plan.name, mode, pipeline.revision, wanted)
    return pipeline
