"""Check that this library computes the same values as the published code.

    python -m hymotion.conformance FOLDER

compares with a folder of golden fixtures, in float32 on the CPU, and prints one JSON object with
the largest relative error of each quantity: with the motion padded to the training length as
in the published code, and trimmed to the requested frames and tokens as in this library.

The relative error of an array a against the golden b is max|a − b| / max|b|, or null if it is not
finite. `transl` and `keypoints3d` are compared after removing each motion's mean difference in y,
because the fixtures were placed on the ground with a mesh that they do not include. `transl` is
the least exact: the fixtures' first and last five frames carry the rounding of a polynomial that
was fitted in single precision, up to 7e-5 for the small network.

Exit code: 0 within the tolerance, 1 above it, 2 for an unusable folder or command.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hymotion.body.rotation import rot6d_from_matrix
from hymotion.conditioning import TextBatch
from hymotion.conformance.golden import Case, Golden
from hymotion.decoding import Decoder
from hymotion.errors import HymotionError
from hymotion.loading.model import load
from hymotion.pipeline import Pipeline
from hymotion.sampling.noise import draw_pack
from hymotion.sampling.request import Request

TOLERANCE = 1e-4

Errors = dict[str, float]


def relative_error(ours: Tensor, golden: Tensor) -> float:
    """max|ours − golden| / max|golden|; infinite where ours is not finite."""
    difference = (ours.double() - golden.double()).abs().max()
    error = float(difference / golden.double().abs().max())
    return error if math.isfinite(error) else math.inf


def conformance(folder: Path) -> dict[str, object]:
    """Compare with the fixtures of `folder` and return the object that the command prints.

    Raises:
        HymotionError: the folder's model or fixtures cannot be used.
    """
    pipeline = load(folder)
    golden = Golden.read(folder, train_frames=pipeline.train_frames)
    results = {
        name: _worst([_compare(pipeline, golden, case, trim=trim) for case in golden.cases])
        for name, trim in (("untrimmed", False), ("trimmed", True))
    }
    within = all(error <= TOLERANCE for errors in results.values() for error in errors.values())
    return {
        "folder": str(folder),
        "revision": pipeline.revision,
        "cases": len(golden.cases),
        "tolerance": TOLERANCE,
        **{name: _printable(errors) for name, errors in results.items()},
        "passed": within,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m hymotion.conformance", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="with config.yml, latest.ckpt and golden.npz")
    folder: Path = parser.parse_args(arguments).folder
    try:
        report = conformance(folder)
    except HymotionError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["passed"] else 1


def _printable(errors: Errors) -> dict[str, float | None]:
    """Replace infinity by None, because JSON has no infinity."""
    return {name: error if math.isfinite(error) else None for name, error in errors.items()}


def _worst(cases: Sequence[Errors]) -> Errors:
    return {name: max(case[name] for case in cases) for name in cases[0]}


def _compare(pipeline: Pipeline, golden: Golden, case: Case, *, trim: bool) -> Errors:
    latents = _latents(pipeline, golden, case, trim=trim)
    decoder = Decoder(pipeline.decoder.mean, pipeline.decoder.std, golden.skeleton)
    pose, _ = decoder.pose(latents)
    matrices, trans, positions = (
        each.reshape(len(latents), -1, *each.shape[1:])
        for each in (pose.matrices, pose.trans, pose.positions)
    )
    noise = draw_pack(
        case.seeds,
        frames=1,
        train_frames=pipeline.train_frames,
        width=pipeline.config.network.input_dim,
    )
    expected = case.expected
    ours = {
        "noise_first_frame": noise[:, 0],
        "latent": torch.stack(latents),
        "rot6d": rot6d_from_matrix(matrices),
        "transl": _at_height(trans, expected["transl"]),
        "keypoints3d": _at_height(positions, expected["keypoints3d"]),
        "root_rotmat": matrices[:, :, 0],
    }
    velocity = _velocity(pipeline, case, trim=trim)
    errors = {name: relative_error(value, expected[name]) for name, value in ours.items()}
    return {"velocity": relative_error(velocity, case.velocity), **errors}


def _velocity(pipeline: Pipeline, case: Case, *, trim: bool) -> Tensor:
    text = TextBatch.of(case.texts, tokens=None if trim else case.tokens)
    frames = torch.full((len(case.texts),), case.frames)
    x = case.x[:, : case.frames] if trim else case.x
    return pipeline.velocity(x, case.t, text, frames)[:, : case.frames]


def _latents(pipeline: Pipeline, golden: Golden, case: Case, *, trim: bool) -> list[Tensor]:
    requests = [
        Request(
            frames=case.frames,
            seed=seed,
            conditioning=text,
            steps=golden.steps,
            guidance=golden.guidance,
        )
        for seed, text in zip(case.seeds, case.texts, strict=True)
    ]
    return pipeline.denoise(requests, case.texts, trim=trim)


def _at_height(ours: Tensor, golden: Tensor) -> Tensor:
    """`ours` (B, …, 3) with each motion shifted in y to the mean height of `golden`."""
    shift = (golden[..., 1] - ours[..., 1]).flatten(1).mean(1)
    moved = ours.clone()
    moved[..., 1] += shift.reshape(-1, *[1] * (ours.ndim - 2))
    return moved
