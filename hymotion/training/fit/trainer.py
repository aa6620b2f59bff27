"""The training loop: step, average, report, save; it can be interrupted at any time and resumed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from hymotion.training.errors import TrainingError
from hymotion.training.fit import parallel
from hymotion.training.fit.average import Average
from hymotion.training.fit.corpus import Corpus
from hymotion.training.fit.learner import Learner, Lesson
from hymotion.training.fit.muon import Muon, hidden
from hymotion.training.fit.parallel import World
from hymotion.training.fit.recipe import Recipe
from hymotion.training.fit.replay import Replay
from hymotion.training.fit.snapshot import RunState

BACKENDS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Attention kernels. cuDNN's fails in the backward pass with an additive mask (torch 2.11, H200),
and the flash kernels take no mask."""

SHARPEST = 4.0
"""Upper bound of the scale of a normalised query or key. Nothing else bounds it: in a long run it
reached 58, attention saturated, and the error rose after a third of the run."""

TYPES = {"float32": None, "tf32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class StepReport:
    """Means over the steps since the last report."""

    step: int
    progress: float
    loss: float
    flow: float
    change: float
    joints: float
    rate: float
    norm: float
    steps_per_second: float


@dataclass(frozen=True)
class RunControl:
    """Callbacks and intervals to follow and end a run.

    Attributes:
        report: called every `every` steps in the first process.
        every: number of steps between reports.
        stop: called every `every` steps; true saves the state and ends the run.
        save_every: least seconds between saved states; looked at every `every` steps too.
        clock: monotonic seconds.
    """

    report: Callable[[StepReport], None]
    stop: Callable[[], bool]
    every: int = 50
    save_every: float = 60.0
    clock: Callable[[], float] = time.monotonic


class Trainer:
    """Trains a learner on a corpus.

    Args:
        learner: on the world's device.
        corpus: on the world's device.
        recipe: of the run.
        world: the processes.
        precision: of matrix products, one of TYPES; weights stay float32.
        folder: of the state.
        identity: values that must be the same when resuming, besides the recipe.
    """

    def __init__(
        self,
        *,
        learner: Learner,
        corpus: Corpus,
        recipe: Recipe,
        world: World,
        precision: str,
        folder: Path,
        identity: dict[str, Any],
    ) -> None:
        self.learner = learner
        self.corpus = corpus
        self.recipe = recipe
        self.world = world
        self.folder = folder
        self.step = 0
        self.seconds = 0.0
        self._identity = recipe.record() | identity
        self._type = TYPES[precision]
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        self._module = parallel.wrapped(learner, world)
        self._optimisers = _optimisers(learner, recipe)
        self._average = Average(learner)
        self._scales = _attention_scales(learner)
        self._scaler = torch.amp.GradScaler(world.device.type, enabled=precision == "float16")
        self._resume()
        self._rate, self._kept = (torch.zeros((), device=world.device) for _ in range(2))
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._rate
        # A CUDA graph cannot include float16's check of the gradients or waiting for processes.
        lone = world.device.type == "cuda" and world.kind == "none" and precision != "float16"
        self._work = Replay(self._learn) if lone else self._learn

    def run(self, watch: RunControl) -> bool:
        """Train until the recipe is done or `watch.stop` is true; returns whether it is done."""
        start, before = watch.clock(), self.seconds
        saved, sums, since = start, _Sums(), (start, self.step)
        while (progress := self.recipe.progress(self.step, self.seconds)) < 1:
            sums.add(*self._one(progress))
            now = watch.clock()
            self.seconds = before + now - start
            if self.step % watch.every == 0:
                self._check(sums)
                speed = (self.step - since[1]) / max(now - since[0], 1e-9)
                self._tell(watch, sums, progress, speed)
                sums, since = _Sums(), (now, self.step)
                # Evaluated once per process, then agreed on by all.
                stop, due = watch.stop(), now - saved > watch.save_every
                if self.world.any(stop):
                    self.save()
                    return False
                if self.world.any(due):
                    self.save()
                    saved = now
                # Times differ between processes; use the first one's.
                self.seconds = self._agreed(self.seconds)
        self.save()
        return True

    def save(self) -> None:
        """Write the state; all processes must call this."""
        learner = parallel.weights(self.learner)
        optimiser = parallel.optimiser_state(self.learner, self._optimisers)
        average = self.averaged()
        if self.world.first:
            RunState(
                recipe=self._identity,
                step=self.step,
                seconds=self.seconds,
                learner=learner,
                average=average,
                optimiser=optimiser,
                scaler=self._scaler.state_dict(),
            ).write(self.folder)

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights by name, on the CPU; all processes must call this."""
        self._average.swap()
        state = {name: value.clone() for name, value in parallel.weights(self.learner).items()}
        self._average.swap()
        return state

    def _resume(self) -> None:
        found = RunState.read(self.folder)
        if found is None:
            return
        found.check(self._identity, self.folder)
        parallel.restore(self.learner, found.average)
        self._average = Average(self.learner)
        parallel.restore(self.learner, found.learner)
        parallel.restore_optimiser(self.learner, self._optimisers, found.optimiser)
        self._scaler.load_state_dict(found.scaler)
        self.step, self.seconds = found.step, found.seconds

    def _one(self, progress: float) -> tuple[Tensor, float]:
        """Run one step; returns the values of `_learn` and the learning rate."""
        recipe, world = self.recipe, self.world
        rate = recipe.rate(self.step, progress)
        self._rate.fill_(rate)
        self._kept.fill_(recipe.kept(self.step))
        lesson = self.corpus.lesson(self.step, recipe, rank=world.rank, size=world.size)
        numbers = self._work(lesson)
        self.step += 1
        return numbers, rate

    def _learn(self, lesson: Lesson) -> Tensor:
        """Train on a lesson; returns (5,): loss, its three errors, and the gradient's norm."""
        recipe = self.recipe
        kind = self.world.device.type
        # Recorded steps must cast the weights every time, so autocast may not cache them.
        cast = torch.autocast(
            kind, dtype=self._type, enabled=self._type is not None, cache_enabled=False
        )
        # Covers both passes, so that recomputed blocks use the same kernels.
        with sdpa_kernel(BACKENDS):
            with cast:
                found = self._module(lesson)
            loss = found.flow + recipe.change * found.change + recipe.joints * found.joints
            for optimiser in self._optimisers:
                optimiser.zero_grad(set_to_none=True)
            self._scaler.scale(loss).backward()
        for optimiser in self._optimisers:
            self._scaler.unscale_(optimiser)
        trained = [p for p in self.learner.parameters() if p.requires_grad]
        norm = torch.nn.utils.clip_grad_norm_(trained, recipe.clip)
        for optimiser in self._optimisers:
            self._scaler.step(optimiser)
        self._scaler.update()
        _bound(self._scales)
        self._average.update(self._kept)
        norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
        return torch.stack((loss, found.flow, found.change, found.joints, norm)).detach()

    def _check(self, sums: "_Sums") -> None:
        """Refuse to continue or save once the loss is not finite."""
        if not math.isfinite(sums.means()[0]):
            raise TrainingError(
                f"the loss is not finite before step {self.step}",
                mend=f"Start again in {self.folder}, which resumes from the last state; "
                "give a lower --learning-rate or --precision float32 if it happens again",
            )

    def _agreed(self, seconds: float) -> float:
        if self.world.size == 1:
            return seconds
        value = torch.tensor(seconds, dtype=torch.float64, device=self.world.device)
        torch.distributed.broadcast(value, 0)
        return float(value)

    def _tell(self, watch: RunControl, sums: "_Sums", progress: float, speed: float) -> None:
        if not self.world.first:
            return
        means = dict(zip(("loss", "flow", "change", "joints", "norm"), sums.means(), strict=True))
        watch.report(
            StepReport(
                step=self.step, progress=progress, rate=sums.rate, steps_per_second=speed, **means
            )
        )


class _Sums:
    """Sums of errors since the last report, kept on the device, as reading would stall the GPU."""

    def __init__(self) -> None:
        self.total: Tensor | None = None
        self.count = 0
        self.rate = 0.0

    def add(self, values: Tensor, rate: float) -> None:
        # Copied, because a replayed step writes its result to the same memory.
        self.total = values.clone() if self.total is None else self.total + values
        self.count += 1
        self.rate = rate

    def means(self) -> list[float]:
        if self.total is None:
            return [math.nan] * 5
        means: list[float] = (self.total / self.count).tolist()
        return means


def _optimisers(learner: Learner, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the hidden matrices, AdamW for all other parameters."""
    squares = hidden(learner.flow.motion_transformer)
    known = {id(each) for each in squares}
    others = [p for p in learner.parameters() if p.requires_grad and id(p) not in known]
    groups = [
        {"params": [p for p in others if p.ndim == 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in others if p.ndim != 2], "weight_decay": 0.0},
    ]
    on_card = others[0].device.type == "cuda"
    rest = torch.optim.AdamW(
        groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=on_card, capturable=on_card
    )
    return [rest, Muon(squares, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)]


def _attention_scales(learner: Learner) -> list[Tensor]:
    """The scales of normalised queries and keys; only this process's part if sharded."""
    named = learner.flow.motion_transformer.named_parameters()
    scales = [each for name, each in named if name.endswith(("q_norm.weight", "k_norm.weight"))]
    return [each.to_local() if isinstance(each, DTensor) else each for each in scales]


def _bound(scales: list[Tensor]) -> None:
    with torch.no_grad():
        for scale in scales:
            scale.clamp_(-SHARPEST, SHARPEST)


def recompute(learner: Learner) -> None:
    """Enable gradient checkpointing (Chen et al. 2016): blocks keep only inputs and run twice."""
    network = learner.flow.motion_transformer
    for block in (*network.double_blocks, *network.single_blocks):
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
