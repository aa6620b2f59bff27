"""Accuracy and speed of each precision.

    python3 -m benchmarks.gpu.precision [--tiny] [--device cpu] [--models LIST] [--motions N]

Samples the same requests in each precision and compares them with float32: distance of joints,
changes of jitter and foot skate, seconds per motion in packs of several sizes, and the cost of the
numerics guard. Each figure is one line of JSON; docs/precision.md has them as tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.randomflow import SIZES, SMALL, random_config, random_flow
from hymotion.body.motion import Motion
from hymotion.conditioning import TextConditioning
from hymotion.config import ModelConfig
from hymotion.device import AMPERE, PRECISIONS
from hymotion.errors import NumericsError
from hymotion.evaluation.plan import action_trials
from hymotion.loading.model import bundled_folder, load_bundled
from hymotion.loading.safetensors_file import read_weights
from hymotion.metrics.baseline import load_baseline
from hymotion.metrics.frechet import MIN_CLIPS
from hymotion.metrics.paired import paired_error
from hymotion.metrics.quality import measure
from hymotion.metrics.referencefile import load_reference
from hymotion.network.flow import FlowModel
from hymotion.pipeline import Identity, Pipeline
from hymotion.sampling.guard import Guard
from hymotion.sampling.request import Request
from hymotion.sampling.solver import MakeWatch
from hymotion.training.phrases.phrases import own_texts

EXACT = "float32"
PACK = 8
TINY = ("tiny-full", "tiny-lite")
MODELS = (*TINY, *SIZES)
ROUNDS = 5
"""How often the guard's cost is taken; the median counts."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        device: the device.
        precisions: precisions to compare with float32.
        motions: number of motions per model.
        small: use small random networks.
        packs: sizes of the packs that are timed.
        rounds: repetitions when measuring the guard's cost.
    """

    device: torch.device
    precisions: tuple[str, ...]
    motions: int
    small: bool
    packs: tuple[int, ...]
    rounds: int


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its requests.

    Attributes:
        name: name of the model.
        config: configuration of the model.
        make: loads its weights in float32; every call returns the same.
        requests: the requests, with encoded texts.
    """

    name: str
    config: ModelConfig
    make: Callable[[], FlowModel]
    requests: Sequence[Request]

    def pipeline(self, precision: str, device: torch.device, watch: MakeWatch = Guard) -> Pipeline:
        """The model in a precision."""
        return Pipeline(
            identity=Identity(self.name, "custom", "benchmark", trained=False),
            config=self.config,
            flow=self.make(),
            encoder=None,
            device=device,
            dtype=PRECISIONS[precision],
            watch=watch,
        )


class Blind:
    """A guard that checks nothing, for sampling without its cost."""

    def __init__(
        self, *, total: int, limits: tuple[float, ...], valid: Tensor | None = None
    ) -> None:
        """Accept the arguments of a guard."""

    def look(self, step: int, velocity: Tensor) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def main() -> None:
    """Measure and print."""
    options = _options()
    device = torch.device(options.device)
    plan = Plan(
        device=device,
        precisions=_precisions(device),
        motions=options.motions or (4 if options.tiny else 16),
        small=options.tiny,
        packs=(1, 2) if options.tiny else (1, 8, 32),
        rounds=2 if options.tiny else ROUNDS,
    )
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    _say({"bench": "precision", "device": card, "torch": torch.__version__, "small": plan.small})
    for name in options.models.split(","):
        begun = time.perf_counter()
        _measure(_subject(name, plan), plan)
        _say({"model": name, "seconds": round(time.perf_counter() - begun, 1)})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="in miniature, to see that it works")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--motions", type=int, help="compared for each model")
    return parser.parse_args()


def _precisions(device: torch.device) -> tuple[str, ...]:
    """The precisions that the device supports, without float32."""
    has = device.type == "cuda" and torch.cuda.get_device_capability(device) >= AMPERE
    return tuple(
        name for name, each in PRECISIONS.items() if name != EXACT and (has or not each.tf32)
    )


def _subject(name: str, plan: Plan) -> Subject:
    if name in TINY:
        return _bundled(name, motions=plan.motions)
    config = random_config(SMALL, steps=2) if plan.small else random_config(SIZES[name])
    return Subject(
        name=name,
        config=config,
        make=lambda: random_flow(config, device=plan.device),
        requests=_random_requests(config, motions=plan.motions, frames=24 if plan.small else 100),
    )


def _bundled(name: str, *, motions: int) -> Subject:
    """A bundled model with held-out prompts of its actions, and its default steps and guidance."""
    tiny, _, mode = name.partition("-")
    weights = bundled_folder(tiny, mode) / "weights.safetensors"
    loaded = load_bundled(tiny, mode)
    frames = {action: one.frames for action, one in load_baseline().actions.items()}
    seeds = -(-motions // len(frames))
    trials = list(action_trials(own_texts(), frames, seeds=seeds))
    # Spread the requests evenly over the actions.
    trials = trials[:: max(1, len(trials) // motions)][:motions]
    texts = loaded.encode([trial.prompt for trial in trials])

    def make() -> FlowModel:
        flow = FlowModel(loaded.config)
        flow.load_state_dict(read_weights(weights, flow.state_dict()))
        return flow

    requests = [
        Request(frames=trial.frames, seed=1000 + index, conditioning=text)
        for index, (trial, text) in enumerate(zip(trials, texts, strict=True))
    ]
    return Subject(name, loaded.config, make, sorted(requests, key=lambda each: each.frames))


def _random_requests(config: ModelConfig, *, motions: int, frames: int) -> list[Request]:
    """Motions of equal length, with random texts of 30 to 50 tokens."""
    generator = torch.Generator().manual_seed(1)
    network = config.network
    requests = []
    for index in range(motions):
        tokens = 30 + index * 7 % 21
        vtxt = torch.randn(1, network.vtxt_input_dim, generator=generator)
        ctxt = torch.randn(tokens, network.ctxt_input_dim, generator=generator)
        text = TextConditioning(vtxt, ctxt, tokens)
        requests.append(Request(frames=frames, seed=index, conditioning=text))
    return requests


def _measure(subject: Subject, plan: Plan) -> None:
    exact = subject.pipeline(EXACT, plan.device)
    reference = _sampled(exact, subject.requests, pack=PACK)
    base = _times(exact, subject, plan)
    _say({"model": subject.name, "precision": EXACT, **_level(reference)})
    other = _sampled(exact, subject.requests, pack=PACK // 2)
    # Rounding errors alone: in packs of another size, float32 sums in another order.
    _say(
        {"model": subject.name, "precision": EXACT, "packs": PACK // 2, **_apart(reference, other)}
    )
    _say_times(subject.name, EXACT, base, base)
    del exact
    for precision in plan.precisions:
        pipeline = subject.pipeline(precision, plan.device)
        made = _sampled(pipeline, subject.requests, pack=PACK)
        found = {**_apart(reference, made), **_level(made)}
        _say({"model": subject.name, "precision": precision, **found})
        _say_times(subject.name, precision, _times(pipeline, subject, plan), base)
        if precision == plan.precisions[-1]:
            _guard_cost(subject, precision, plan)
        del pipeline


def _sampled(
    pipeline: Pipeline, requests: Sequence[Request], *, pack: int
) -> list[Motion | NumericsError]:
    """The motion of each request, or its numerics error."""
    made: list[Motion | NumericsError] = []
    for start in range(0, len(requests), pack):
        made += _pack(pipeline, requests[start : start + pack])
    return made


def _pack(pipeline: Pipeline, requests: Sequence[Request]) -> list[Motion | NumericsError]:
    if not requests:
        return []
    try:
        return list(pipeline.sample(requests))
    except NumericsError as error:
        broken = error
    good = [each for index, each in enumerate(requests) if index not in broken.indices]
    rest = iter(_pack(pipeline, good))
    return [broken if index in broken.indices else next(rest) for index in range(len(requests))]


def _apart(
    reference: Sequence[Motion | NumericsError], made: Sequence[Motion | NumericsError]
) -> dict[str, object]:
    """Distances of the motions that both have, and the number of guard errors."""
    errors = [
        paired_error(one, other)
        for one, other in zip(reference, made, strict=True)
        if isinstance(one, Motion) and isinstance(other, Motion)
    ]
    fired = [each for each in made if isinstance(each, NumericsError)]
    found: dict[str, object] = {"motions": len(made), "broken": len(fired)}
    if fired:
        found["first_step"] = min(error.step for error in fired)
    if errors:
        means = np.array([error.joints_mean for error in errors])
        found |= {
            "joints_mm": _short(means.mean()),
            "joints_mm_median": _short(np.median(means)),
            "joints_mm_p95": _short(np.quantile(means, 0.95)),
            "joints_mm_worst": _short(means.max()),
            "worst_joint_mm": _short(max(error.joints_max for error in errors)),
            "rotation_degrees": _short(statistics.mean(error.rotation_mean for error in errors)),
        }
    return found


def _level(made: Sequence[Motion | NumericsError]) -> dict[str, object]:
    """Quality measures of the motions."""
    motions = [each for each in made if isinstance(each, Motion)]
    qualities = [measure(motion) for motion in motions]
    found: dict[str, object] = {}
    for figure in ("jitter", "skate"):
        values = [value for one in qualities if (value := getattr(one, figure)) is not None]
        if values:
            found[figure] = _short(statistics.mean(values))
    if len(motions) >= MIN_CLIPS:
        found["fmd"] = _short(load_reference().distance(motions).value)
    return found


def _times(pipeline: Pipeline, subject: Subject, plan: Plan) -> dict[int, float]:
    """Pack size → seconds of sampling per motion, without decoding."""
    times = {}
    for size in plan.packs:
        requests = [subject.requests[index % len(subject.requests)] for index in range(size)]
        _denoise(pipeline, requests[:1])
        times[size] = min(_denoise(pipeline, requests) for _ in range(2)) / size
    return times


def _denoise(pipeline: Pipeline, requests: Sequence[Request]) -> float:
    texts = [each.conditioning for each in requests if each.conditioning is not None]
    begun = time.perf_counter()
    try:
        pipeline.denoise(requests, texts)
    except NumericsError:
        return float("nan")
    return time.perf_counter() - begun


def _guard_cost(subject: Subject, precision: str, plan: Plan) -> None:
    """Time the same packs alternately with and without the guard."""
    seeing = subject.pipeline(precision, plan.device)
    blind = subject.pipeline(precision, plan.device, watch=Blind)
    for size in plan.packs[:2]:
        requests = [subject.requests[index % len(subject.requests)] for index in range(size)]
        pairs = [
            (_denoise(seeing, requests), _denoise(blind, requests)) for _ in range(plan.rounds)
        ]
        cost = [with_guard / without - 1 for with_guard, without in pairs[1:]]
        found = {"pack": size, "guard_costs": _short(statistics.median(cost))}
        _say({"model": subject.name, "precision": precision, **found})


def _say_times(
    model: str, precision: str, times: Mapping[int, float], base: Mapping[int, float]
) -> None:
    for size, seconds in times.items():
        found = {"seconds_a_motion": _short(seconds), "times_faster": _short(base[size] / seconds)}
        _say({"model": model, "precision": precision, "pack": size, **found})


def _short(number: float) -> float:
    return float(f"{number:.4g}")


def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
