"""How a worker serves one model: which weights, in what numbers, and where its texts come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jobs.domain.catalog import Catalog, model_entry
from jobs.domain.installed import InstalledModel, InstalledText
from jobs.domain.memory import GIB, class_gib
from jobs.domain.routing import TextDemand
from jobs.domain.spec import DEFAULT_FRAMES
from jobs.errors import SettingsError
from worker.device.discovery import Device
from worker.errors import BudgetError, EncoderError, WeightsError
from worker.options import WorkerOptions
from worker.planning.encoder_placement import EncoderPlacement, TextNeeds, choose_plan
from worker.planning.precision import choose

#: Device memory that an encoder works in beside its weights: activations of its largest batch.
ENCODER_WORK = 5 * GIB // 4
#: Bytes that libraries keep on the device beside a network's weights (`benchmarks.gpu.memory`).
WORKSPACE = 100 * 10**6
#: The first CUDA compute capability with bfloat16.
BFLOAT16 = (8, 0)
#: Bytes of a number, by what a network is computed in.
WIDTH: Mapping[str, int] = {"float32": 4, "tf32": 4, "bfloat16": 2, "float16": 2}
#: Bytes of the published encoder, for machines that only know which one others have.
PUBLISHED = 16_900_000_000
#: How much smaller the language model is that is kept in fewer bits.
QUANTISED: Mapping[str, float] = {"int8": 0.55, "int4": 0.35}


@dataclass(frozen=True)
class EncoderPlan:
    """Where the texts of a model come from.

    Attributes:
        plan: of this worker.
        revision: of the encoder, with how it is quantised.
        folder: of the encoder's files; None: it is not installed here.
        demand: what a job without its text asks of who encodes it.
        weights: bytes of the encoder on the device.
    """

    plan: EncoderPlacement
    revision: str
    folder: Path | None
    demand: TextDemand
    weights: int


@dataclass(frozen=True)
class ModelPlan:
    """One model on one worker.

    Attributes:
        model: its name.
        dtype: what its network is computed in.
        folders: mode → folder of the weights; empty: the model comes with the package.
        revisions: mode → revision of the weights, of the modes served.
        weights: mode → bytes that the network takes of the device while nothing runs, where that
            counts.
        surplus: mode → how many of these are not in the model's memory profile.
        texts: None: the model has an encoder of its own.
    """

    model: str
    dtype: str
    folders: Mapping[str, Path]
    revisions: Mapping[str, str]
    weights: Mapping[str, int]
    surplus: Mapping[str, int]
    texts: EncoderPlan | None


@dataclass(frozen=True)
class ServingPlan:
    """Every model of a worker, and how they share the device.

    Attributes:
        servings: one a model.
        together: whether all networks stay in device memory beside each other.
        resident: whether text encoders stay there too.
        kept: bytes that no pack can have: of an encoder that stays, and of weights that take more
            than admission counts for them.
    """

    servings: tuple[ModelPlan, ...]
    together: bool
    resident: bool
    kept: int

    @property
    def demands(self) -> Mapping[str, TextDemand]:
        """Model → what its jobs ask of who encodes their texts."""
        return {s.model: s.texts.demand for s in self.servings if s.texts is not None}


def plan_serving(
    options: WorkerOptions, *, device: Device, budget: int, catalog: Catalog
) -> ServingPlan:
    """Decide how the models asked for are served within a budget, without loading anything.

    Raises:
        WeightsError: a model's weights are not here.
        SettingsError: a type or a text plan that this device or budget does not allow.
    """
    servings = tuple(
        _serving(name, options, device=device, budget=budget, catalog=catalog)
        for name in options.models or catalog.served
    )
    resident = any(
        s.texts is not None and s.texts.plan is EncoderPlacement.RESIDENT for s in servings
    )
    _check_room(servings, device=device, budget=budget)
    encoders = sum(s.texts.weights for s in servings if resident and s.texts)
    surplus = max((size for s in servings for size in s.surplus.values()), default=0)
    every = sum(sum(serving.weights.values()) for serving in servings)
    motion = max((_motion(serving) for serving in servings), default=0)
    together = every + motion + encoders <= budget
    return ServingPlan(servings, together=together, resident=resident, kept=encoders + surplus)


def _check_room(servings: Sequence[ModelPlan], *, device: Device, budget: int) -> None:
    """Refuse a network that does not fit at all: it would fail at the first load."""
    for serving in servings:
        for mode, weights in serving.weights.items():
            if weights > budget:
                raise BudgetError(
                    device.name,
                    weights,
                    f"{serving.model} {mode} takes that in {serving.dtype}, and the budget is "
                    f"{budget / GIB:.3g}",
                    "raise --memory, leave the mode out, or see --dtype",
                )


def _serving(
    name: str, options: WorkerOptions, *, device: Device, budget: int, catalog: Catalog
) -> ModelPlan:
    entry = catalog.entry(name)
    dtype = choose(options.dtype, device_kind=device.kind, capability=device.capability, model=name)
    revisions = {mode: entry.revisions[mode] for mode in options.modes if mode in entry.revisions}
    if not revisions:
        raise WeightsError(name, options.modes, tuple(entry.revisions))
    model = catalog.models.get(name)
    if model is not None and model.text is not None and options.quantise is not None:
        revisions = {mode: f"{each}+{options.quantise}" for mode, each in revisions.items()}
    if model is None:
        return ModelPlan(name, dtype, {}, revisions, {}, {}, None)
    weights = {mode: model.modes[mode].numbers * WIDTH[dtype] + WORKSPACE for mode in revisions}
    return ModelPlan(
        model=name,
        dtype=dtype,
        folders={mode: model.modes[mode].folder for mode in revisions},
        revisions=revisions,
        weights=weights,
        surplus={
            mode: max(0, size - entry.profiles[mode].weights) for mode, size in weights.items()
        },
        texts=_texts(model, weights, options, device=device, budget=budget),
    )


def _texts(
    model: InstalledModel,
    weights: Mapping[str, int],
    options: WorkerOptions,
    *,
    device: Device,
    budget: int,
) -> EncoderPlan:
    text = model.text
    if text is None:
        raise SettingsError(
            "--models",
            model.name,
            "no text encoder is known of it: `hymo models import --qwen DIR --clip DIR --upstream "
            "DIR`, or --text-revision with that of the machine that encodes",
        )
    size = _encoder_bytes(text, options.quantise)
    motion = model_entry(model.name).profiles
    work = {mode: motion[mode].motion(DEFAULT_FRAMES) + motion[mode].loader for mode in weights}
    needs = TextNeeds(
        encoder=None if text.folder is None else size + ENCODER_WORK,
        samplers=sum(weights.values()),
        sampler=max(weights[mode] + work[mode] for mode in weights),
        motion=max(work.values()),
    )
    suffix = f"+{options.quantise}" if options.quantise else ""
    revision = f"{text.revision}{suffix}"
    plan = choose_plan(needs, budget, asked=options.text_plan, able=_encodes(device))
    if plan.encodes:
        check_libraries(model.name, options.quantise, device)
    return EncoderPlan(
        plan=plan,
        revision=revision,
        folder=text.folder,
        demand=TextDemand(gib=class_gib(size + ENCODER_WORK), revision=revision),
        weights=size,
    )


def check_libraries(model: str, quantise: str | None, device: Device) -> None:
    """Refuse to encode without the libraries for it: it would fail at the first load.

    Raises:
        EncoderError: one is missing, or the device cannot quantise so.
    """
    needed = {"transformers": "official", **({"torchao": "quantised"} if quantise else {})}
    for library, extra in needed.items():
        if find_spec(library) is None:
            raise EncoderError(
                model, f"it needs the library {library}", f"pip install 'hymo[{extra}]'"
            )
    if quantise == "int4" and (device.capability or (0, 0)) < BFLOAT16:
        raise EncoderError(
            model, f"{device.name} cannot keep it in int4", "leave --quantise out, or give int8"
        )


def _encodes(device: Device) -> bool:
    """Whether a device computes in bfloat16, as the encoder was published to be."""
    return device.capability is None or device.capability >= BFLOAT16


def _encoder_bytes(text: InstalledText, quantise: str | None) -> int:
    share = 1.0 if quantise is None else QUANTISED[quantise]
    if text.folder is None:
        return round(PUBLISHED * share)
    return round(text.qwen_bytes * share) + text.clip_bytes


def _motion(serving: ModelPlan) -> int:
    profiles = model_entry(serving.model).profiles
    return max((profiles[mode].motion(DEFAULT_FRAMES) for mode in serving.weights), default=0)
