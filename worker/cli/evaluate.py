"""`hymo evaluate`: measures a model on standard prompts, or existing motions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from jobs.cli.context import App, pass_app
from jobs.cli.faults import ExitCode
from jobs.cli.options.filters import MODES, Words
from jobs.cli.render.tables import note, print_json
from jobs.cli.render.text import clean
from worker.errors import WorkerError
from worker.planning.precision import NEEDS, SAFE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hymotion.evaluation import Options
    from hymotion.pipeline import Pipeline

QUICK = 2
"""Seeds of each action with --quick; one of each sequence."""


OF_MODELS = ("mode", "seeds", "quick", "actions", "steps", "guidance", "device", "dtype")


class EvaluationError(WorkerError):
    """A model or motions cannot be evaluated."""


@click.command()
@click.argument("names", metavar="[BATCH|JOB|FOLDER|FILE]...", nargs=-1)
@click.option("--model", metavar="NAME", help="Evaluate this bundled model, such as tiny.")
@click.option(
    "--model-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Evaluate the model in this folder.",
)
@click.option(
    "--mode", type=click.Choice(MODES), default="full", show_default=True, help="Mode of --model."
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=8, show_default=True, help="Seeds per action."
)
@click.option("--quick", is_flag=True, help=f"Use {QUICK} seeds per action, 1 per sequence.")
@click.option("--actions", type=Words(), default=(), metavar="LIST", help="Only these actions.")
@click.option(
    "--steps",
    type=click.IntRange(1, 1000),
    help="Solver steps. [default: the model's own]",
)
@click.option(
    "--guidance",
    type=click.FloatRange(0, 100),
    help="How strongly prompts are followed. [default: the model's own]",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:<number>.")
@click.option(
    "--dtype",
    type=click.Choice(tuple(NEEDS)),
    default=SAFE,
    show_default=True,
    help="Number type of the model (docs/precision.md).",
)
@click.option(
    "--paired",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Compare motions with those of the same names in FOLDER, such as the float32 ones.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def evaluate(
    app: App,
    /,
    *,
    names: tuple[str, ...],
    model: str | None,
    model_dir: Path | None,
    mode: str,
    seeds: int,
    quick: bool,
    actions: tuple[str, ...],
    steps: int | None,
    guidance: float | None,
    device: str,
    dtype: str,
    paired: Path | None,
    as_json: bool,
) -> int:
    """Measure a model or existing motions against real ones.

    With --model or --model-dir, the model samples every action that the action classifier knows,
    and sequences of two, from prompts that no model was trained on. Measured are how often the
    classifier recognises the action, foot sliding, and the distance from real motions; this takes
    minutes on a CPU. With a BATCH, jobs, folders of .npz or files, each motion is measured and
    outliers are listed; a name that exists on disk refers to that file or folder. Exits with 1 if
    a motion could not be read; the others are measured. docs/measures.md explains the figures.
    """
    from hymotion.errors import HymotionError
    from hymotion.evaluation import Options

    if sum((bool(names), model is not None, model_dir is not None)) != 1:
        raise click.UsageError("name motions, or a model with --model, or one with --model-dir")
    if paired is not None and not names:
        raise click.UsageError("--paired compares motions: name them")
    if names:
        _refuse(OF_MODELS, "applies to models, not to existing motions")
    if model_dir is not None:
        _refuse(("mode",), "applies only to --model: a folder contains one mode")
    if quick:
        _refuse(("seeds",), "and --quick exclude each other")
    try:
        if names:
            return _motions(app, names, paired, as_json)
        options = Options(
            seeds=QUICK if quick else seeds,
            pair_seeds=1 if quick else max(1, seeds // 2),
            steps=steps,
            guidance=guidance,
            actions=actions,
        )
        return _model(_load(model, model_dir, mode, device, dtype), options, as_json)
    except HymotionError as error:
        raise EvaluationError(str(error)) from error


def _refuse(options: Sequence[str], reason: str) -> None:
    """Refuse options that have no effect here, since the user expects one."""
    context = click.get_current_context()
    for name in options:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} {reason}")


def _load(
    model: str | None, model_dir: Path | None, mode: str, device: str, dtype: str
) -> Pipeline:
    from hymotion import load, load_bundled

    if model_dir is not None:
        return load(model_dir, device=device, dtype=dtype)
    return load_bundled("tiny" if model is None else model, mode, device=device, dtype=dtype)


def _model(pipeline: Pipeline, options: Options, as_json: bool) -> int:
    from hymotion.evaluation import evaluate as measure
    from hymotion.evaluation.table import lines

    report = measure(
        pipeline, options, on_pack=lambda made, wanted: note(f"{made} of {wanted} motions")
    )
    if as_json:
        print_json(report.document())
    else:
        click.echo("\n".join(map(clean, lines(report))))
    return ExitCode.OK


def _motions(app: App, names: tuple[str, ...], paired: Path | None, as_json: bool) -> int:
    from hymotion.evaluation.existing import evaluate_motions
    from hymotion.evaluation.table import set_lines
    from hymotion.metrics import load_baseline, load_reference
    from worker.results.recordings import Recordings, partner_in

    recordings = Recordings(names, store=app.store)
    try:
        report = evaluate_motions(
            recordings.motions(),
            reference=load_reference(),
            baseline=load_baseline(),
            partner=None if paired is None else partner_in(paired, recordings.problems),
            on_problem=lambda error: recordings.problems.append(str(error)),
        )
    finally:
        # Also if no motion at all could be read.
        for problem in recordings.problems:
            note(f"hymo: {clean(problem)}")
    if as_json:
        print_json(report.document() | {"problems": recordings.problems})
    else:
        click.echo("\n".join(map(clean, set_lines(report))))
    return ExitCode.ERROR if recordings.problems else ExitCode.OK
