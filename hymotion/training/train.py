"""Trains a model: `python -m hymotion.training.train DATA OUT --mode full`.

DATA holds the archives of motion capture, of which a dataset is built in OUT first, or is what
`python -m hymotion.training.build` wrote. OUT gets the run's state, a log and, at the end, a folder
`model` that `hymotion.load` reads. The same command goes on where a run was cut.
Several cards: `torchrun --nproc-per-node N -m hymotion.training.train …`.
"""

import argparse
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from hymotion.config import PREDICTIONS, ModelConfig
from hymotion.device import find_device
from hymotion.errors import HymotionError
from hymotion.training.build import PAIRS, build
from hymotion.training.dataset.motion_dataset import MANIFEST, MotionDataset
from hymotion.training.fit import parallel
from hymotion.training.fit.corpus import Corpus, drawn_prompts
from hymotion.training.fit.learner import Learner
from hymotion.training.fit.model_folder import read_model, write_model
from hymotion.training.fit.parallel import World
from hymotion.training.fit.prompts import Prompts, vocabulary_of
from hymotion.training.fit.recipe import Recipe
from hymotion.training.fit.trainer import TYPES, RunControl, StepReport, Trainer, recompute
from hymotion.training.mocap.archives import SOURCES, archive

PROMPTS = 16
"""Prompts drawn of each motion."""

STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    chosen = _parser().parse_args(arguments)
    try:
        return _run(chosen)
    except HymotionError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _run(chosen: argparse.Namespace) -> int:
    recipe = _recipe(chosen)
    find_device(chosen.device)
    world = parallel.join(chosen.parallel, chosen.device)
    try:
        return _trained(chosen, recipe, world)
    finally:
        world.close()


def _trained(chosen: argparse.Namespace, recipe: Recipe, world: World) -> int:
    """Train and write the model; the exit code. Nothing refers to the trainer afterwards."""
    trainer, finish = _prepared(chosen, recipe, world)
    stop = _stopper()
    watch = RunControl(report=_reporter(chosen.out), stop=stop, save_every=chosen.save_every)
    done = trainer.run(watch)
    state = trainer.averaged()
    if world.first:
        finish(state)
        sys.stderr.write(f"{'done' if done else 'cut'} at step {trainer.step}\n")
    return 0 if done else STOPPED


def _prepared(
    chosen: argparse.Namespace, recipe: Recipe, world: World
) -> tuple[Trainer, Callable[[dict[str, Any]], None]]:
    """The trainer, and what writes the model in the end."""
    dataset = MotionDataset(_dataset(chosen, world), seed=recipe.seed)
    own = files("hymotion").joinpath("models", "tiny", recipe.mode, "config.yml")
    text = own.read_text("utf-8")
    text = re.sub(r"^prediction:.*$", f"prediction: {recipe.prediction}", text, flags=re.MULTILINE)
    config = ModelConfig.parse(text)
    vocabulary = vocabulary_of(dataset.texts)
    drawn = drawn_prompts(dataset, PROMPTS)
    prompts = Prompts.of(drawn, vocabulary=vocabulary, config=config)
    corpus = Corpus.of(dataset, prompts=prompts, device=world.device)
    torch.manual_seed(recipe.seed)
    learner = Learner(
        config=config,
        words=len(vocabulary),
        statistics=corpus.statistics,
        pieces=corpus.prompts.pieces,
        late=recipe.late,
    ).to(world.device)
    if chosen.init is not None:
        read_model(chosen.init, learner, vocabulary)
    if chosen.checkpointing:
        recompute(learner)
    trainer = Trainer(
        learner=learner,
        corpus=corpus,
        recipe=recipe,
        world=world,
        precision=_precision(chosen.precision, world.device),
        folder=chosen.out,
        identity={
            "vocabulary": len(vocabulary),
            "motions": len(dataset),
            "init": str(chosen.init) if chosen.init is not None else None,
        },
    )

    def finish(state: dict[str, Any]) -> None:
        write_model(chosen.out / "model", state, config=text, vocabulary=vocabulary)

    return trainer, finish


def _dataset(chosen: argparse.Namespace, world: World) -> Path:
    """The folder of the dataset; built first where archives were given and it is not there."""
    data: Path = chosen.data
    if not all(archive(data, source).is_file() for source in SOURCES):
        return data
    out: Path = chosen.out / "dataset"
    # Without its manifest it was cut, and is built again.
    if world.first and not (out / MANIFEST).is_file():
        jobs = os.cpu_count() or 1
        sys.stderr.write(f"building the dataset in {out}, {jobs} processes\n")
        build(data, out, pairs=PAIRS, seed=0, jobs=jobs)
    world.wait()
    return out


def _recipe(chosen: argparse.Namespace) -> Recipe:
    names = (field.name for field in fields(Recipe))
    given = {name: value for name in names if (value := getattr(chosen, name, None)) is not None}
    # Minutes count before steps.
    return Recipe(**given | ({"steps": None} if "minutes" in given else {}))


def _precision(asked: str, device: torch.device) -> str:
    """The type of the products: bfloat16 where the card has it, float16 on older cards."""
    if asked != "auto":
        return asked
    if device.type == "cpu":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def _stopper() -> Callable[[], bool]:
    """Asks whether somebody wants the run to end."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda found, _frame: asked.append(found))
    return lambda: bool(asked)


def _reporter(out: Path) -> Callable[[StepReport], None]:
    out.mkdir(parents=True, exist_ok=True)
    log = out / "log.jsonl"

    def report(found: StepReport) -> None:
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(vars(found)) + "\n")
        sys.stderr.write(
            f"step {found.step:6d}  {found.progress:6.1%}  loss {found.loss:7.4f}"
            f"  flow {found.flow:6.4f}  change {found.change:6.4f}  joints {found.joints:6.4f}"
            f"  {found.steps_per_second:5.1f} steps/s\n"
        )

    return report


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hymotion.training.train", description=__doc__)
    add = parser.add_argument
    add("data", type=Path, help="folder of archives, or what hymotion.training.build wrote")
    add("out", type=Path, help="folder of the run; an unfinished one in it goes on")
    add("--init", type=Path, help="folder of a model to start from, of the same sizes")
    add("--mode", choices=("full", "lite"), default="full")
    add("--prediction", choices=PREDICTIONS)
    add("--minutes", type=float, help="of work in all, over all sittings")
    add("--steps", type=int, help="optimiser steps, instead of --minutes")
    add("--batch-frames", type=int, help="frames of a step over all processes")
    add("--learning-rate", type=float)
    add("--late", type=float, help="how much errors near the end of the way count")
    add("--change", type=float, help="weight of the error of the change between frames")
    add("--joints", type=float, help="weight of the error of the posed joints")
    add("--seed", type=int)
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--precision", choices=("auto", *TYPES), default="auto")
    add("--parallel", choices=parallel.KINDS, default="auto")
    add("--checkpointing", action="store_true", help="less memory, a third more time")
    add("--save-every", type=float, default=60.0, help="seconds between states on disk")
    return parser


if __name__ == "__main__":
    sys.exit(main())
