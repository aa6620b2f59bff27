"""How a worker serves its models: weights, number types, text encoders, shares of the memory."""

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
from worker.device.discovery import AMPERE, Device
from worker.errors import BudgetError, EncoderError, WeightsError
from worker.options import WorkerOptions
from worker.planning.encoder_placement import EncoderPlacement, choose_placement
from worker.planning.precision import choose

#: Device memory that an encoder works in beside its weights: activations of its largest batch.
ENCODER_WORK = 5 * GIB // 4
#: Bytes that libraries keep on the device beside a network's weights (`benchmarks.gpu.memory`).
WORKSPACE = 100 * 10**6
#: Bytes of a number, by what a network is computed in.
WIDTH: Mapping[str, int] = {"float32": 4, "tf32": 4, "bfloat16": 2, "float16": 2}
#: Bytes of the published encoder, for machines that know no more of it than its revision.
PUBLISHED = 16_900_000_000
#: The share of its size that a quantised language model keeps.
QUANTISED: Mapping[str, float] = {"int8": 0.55, "int4": 0.35}


@dataclass(frozen=True, kw_only=True)
class EncoderPlan:
    """Where the texts of a model are encoded.

    Attributes:
        placement: of the encoder, as seen from this worker.
        folder: of the encoder's files; None: it is not installed here.
        demand: what a job whose text is not encoded yet asks of a worker.
        weights: bytes of the encoder on the device.
    """

    placement: EncoderPlacement
    folder: Path | None
    demand: TextDemand
    weights: int


@dataclass(frozen=True, kw_only=True)
class ModelPlan:
    """One model on one worker.

    Attributes:
        name: of the model.
        dtype: what its networks are computed in.
        revisions: mode → revision of the weights, of the modes served.
        folders: mode → folder of the weights; empty: they come with the package.
        weights: mode → bytes that the network takes of the device while nothing runs; empty: too
            few to count.
        encoder: None: the model has an encoder of its own.
    """

    name: str
    dtype: str
    revisions: Mapping[str, str]
    folders: Mapping[str, Path]
    weights: Mapping[str, int]
    encoder: EncoderPlan | None

    def surplus(self, mode: str) -> int:
        """Bytes of a network's weights that its memory profile does not count."""
        profile = model_entry(self.name).profiles[mode]
        return max(0, self.weights.get(mode, 0) - profile.weights)

    def motion(self) -> int:
        """Bytes that a motion of the default length takes in the mode that needs most."""
        profiles = model_entry(self.name).profiles
        return max((profiles[mode].motion(DEFAULT_FRAMES) for mode in self.weights), default=0)


@dataclass(frozen=True, kw_only=True)
class ServingPlan:
    """Every model of a worker, and how they share the device.

    Attributes:
        models: those served.
        together: whether all networks stay in device memory beside each other.
        resident: whether text encoders stay there too.
        kept: bytes that no pack can have: those of an encoder that stays, and those of weights
            that their memory profile does not count.
        room: (model, mode) → bytes that its packs may take, with the weights of its own network as
            far as the memory profile counts them.
    """

    models: tuple[ModelPlan, ...]
    together: bool
    resident: bool
    kept: int
    room: Mapping[tuple[str, str], int]

    @property
    def demands(self) -> Mapping[str, TextDemand]:
        """Model → what its jobs ask of a worker that encodes their texts."""
        return {each.name: each.encoder.demand for each in self.models if each.encoder is not None}


def plan_serving(
    options: WorkerOptions, *, device: Device, budget: int, catalog: Catalog
) -> ServingPlan:
    """Decide how the models asked for are served within a budget, without loading anything.

    Raises:
        WeightsError: a model's weights are not installed.
        BudgetError: a network does not fit the budget.
        EncoderError: the text encoder cannot be used here.
        SettingsError: the device or the budget does not allow a number type or a placement.
    """
    models = tuple(
        _plan_model(name, options, device=device, budget=budget, catalog=catalog)
        for name in options.models or catalog.served
    )
    _check_networks_fit(models, device=device, budget=budget)
    encoders = sum(
        each.encoder.weights
        for each in models
        if each.encoder is not None and each.encoder.placement is EncoderPlacement.RESIDENT
    )
    networks = sum(sum(each.weights.values()) for each in models)
    motion = max((each.motion() for each in models), default=0)
    together = networks + motion + encoders <= budget
    served = [(each, mode) for each in models for mode in each.revisions]
    return ServingPlan(
        models=models,
        together=together,
        resident=encoders > 0,
        kept=encoders + max((each.surplus(mode) for each, mode in served), default=0),
        room={
            (each.name, mode): budget
            - encoders
            - each.surplus(mode)
            - (networks - each.weights.get(mode, 0) if together else 0)
            for each, mode in served
        },
    )


def _check_networks_fit(models: Sequence[ModelPlan], *, device: Device, budget: int) -> None:
    """Refuse a network that cannot fit: its first load would fail."""
    for model in models:
        for mode, weights in model.weights.items():
            if weights > budget:
                takes = f"{model.name} {mode} takes that in {model.dtype}"
                reason = f"{takes}, and the budget is {budget / GIB:.3g}"
                mend = "raise --memory, leave the mode out, or see --dtype"
                raise BudgetError(device.name, weights, reason, mend)


def _plan_model(
    name: str, options: WorkerOptions, *, device: Device, budget: int, catalog: Catalog
) -> ModelPlan:
    entry = catalog.entry(name)
    dtype = choose(options.dtype, device_kind=device.kind, capability=device.capability, model=name)
    revisions = {mode: entry.revisions[mode] for mode in options.modes if mode in entry.revisions}
    if not revisions:
        raise WeightsError(name, options.modes, tuple(entry.revisions))
    model = catalog.models.get(name)
    if model is None:
        return ModelPlan(
            name=name, dtype=dtype, revisions=revisions, folders={}, weights={}, encoder=None
        )
    if model.text is not None:
        revisions = {mode: _quantised(each, options) for mode, each in revisions.items()}
    weights = {mode: model.modes[mode].numbers * WIDTH[dtype] + WORKSPACE for mode in revisions}
    return ModelPlan(
        name=name,
        dtype=dtype,
        revisions=revisions,
        folders={mode: model.modes[mode].folder for mode in revisions},
        weights=weights,
        encoder=_plan_encoder(model, weights, options, device=device, budget=budget),
    )


def _plan_encoder(
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
    encoder = size + ENCODER_WORK
    profiles = model_entry(model.name).profiles
    work = {mode: profiles[mode].motion(DEFAULT_FRAMES) + profiles[mode].loader for mode in weights}
    needs = {
        EncoderPlacement.RESIDENT: encoder + sum(weights.values()) + max(work.values()),
        EncoderPlacement.STAGED: max(encoder, *(weights[mode] + work[mode] for mode in weights)),
    }
    placement = choose_placement(
        {} if text.folder is None else needs,
        budget,
        asked=options.text_plan,
        # The encoder is computed in bfloat16, as it was published.
        able=device.capability is None or device.capability >= AMPERE,
    )
    if placement.encodes:
        _check_encoder_usable(model.name, options.quantise, device)
    return EncoderPlan(
        placement=placement,
        folder=text.folder,
        demand=TextDemand(gib=class_gib(encoder), revision=_quantised(text.revision, options)),
        weights=size,
    )


def _check_encoder_usable(model: str, quantise: str | None, device: Device) -> None:
    """Refuse to encode without the libraries for it: the first load would fail."""
    needed = {"transformers": "official", **({"torchao": "quantised"} if quantise else {})}
    for library, extra in needed.items():
        if find_spec(library) is None:
            raise EncoderError(
                model, f"it needs the library {library}", f"pip install 'hymo[{extra}]'"
            )
    if quantise == "int4" and (device.capability or (0, 0)) < AMPERE:
        raise EncoderError(
            model, f"{device.name} cannot keep it in int4", "leave --quantise out, or give int8"
        )


def _quantised(revision: str, options: WorkerOptions) -> str:
    return revision if options.quantise is None else f"{revision}+{options.quantise}"


def _encoder_bytes(text: InstalledText, quantise: str | None) -> int:
    share = 1.0 if quantise is None else QUANTISED[quantise]
    if text.folder is None:
        return round(PUBLISHED * share)
    return round(text.qwen_bytes * share) + text.clip_bytes
