"""Evaluates a model: `python -m hymotion.evaluation --model-dir DIR --device cuda`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hymotion import Pipeline, load, load_bundled
from hymotion.errors import HymotionError
from hymotion.evaluation.evaluate import Options, evaluate
from hymotion.evaluation.table import lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    chosen = _parser().parse_args(arguments)
    options = Options(
        seeds=chosen.seeds,
        pair_seeds=chosen.pair_seeds,
        steps=chosen.steps,
        guidance=chosen.guidance,
        pack=chosen.pack,
        actions=tuple(chosen.actions.split(",")) if chosen.actions else (),
    )
    try:
        report = evaluate(_pipeline(chosen), options, on_pack=_progress)
    except HymotionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    document = json.dumps(report.document(), indent=1)
    if chosen.out is not None:
        chosen.out.write_text(document + "\n", encoding="utf-8")
    sys.stdout.write((document if chosen.json else "\n".join(lines(report))) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hymotion.evaluation", description=__doc__)
    parser.add_argument("--model-dir", type=Path, help="folder that hymotion.load() reads")
    parser.add_argument("--model", default="tiny", help="a bundled model, without --model-dir")
    parser.add_argument("--mode", choices=("full", "lite"), default="full", help="of --model")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--steps", type=int, help="of the solver; else the model's own")
    parser.add_argument("--guidance", type=float, help="else the model's own")
    parser.add_argument("--seeds", type=int, default=Options.seeds, help="motions of an action")
    parser.add_argument(
        "--pair-seeds", type=int, default=Options.pair_seeds, help="motions of a sequence"
    )
    parser.add_argument("--pack", type=int, default=Options.pack, help="motions sampled together")
    parser.add_argument("--actions", help="only these, separated by commas")
    parser.add_argument("--out", type=Path, help="write the JSON here too")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser


def _pipeline(chosen: argparse.Namespace) -> Pipeline:
    if chosen.model_dir is not None:
        return load(chosen.model_dir, device=chosen.device, dtype=chosen.dtype)
    return load_bundled(chosen.model, chosen.mode, device=chosen.device, dtype=chosen.dtype)


def _progress(made: int, wanted: int) -> None:
    sys.stderr.write(f"{made} of {wanted} motions\n")


if __name__ == "__main__":
    sys.exit(main())
