"""Decoding of packs: `python3 -m benchmarks.gpu.decode [--tiny] [--device cpu]`.

Decodes latents of the tiny model in packs of several sizes, with free and with planted feet: the
seconds and the seconds of this thread a motion, the kernels a pack, the peak of memory, and the
largest difference of joints from those decoded on the CPU in float64. Prints a table on standard
error and one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from hymotion.decoding import Decoder
from hymotion.decoding.planting import GENERATED, planted
from hymotion.device import find_device
from hymotion.loading.model import load_bundled
from hymotion.sampling.request import Request

SHAPES = ((1, 100), (8, 100), (64, 100), (128, 100), (64, 360))
"""(motions a pack, frames)."""

SMALL_SHAPES = ((1, 20), (3, 30))

PROMPTS = ("a person walks", "a person jumps", "a person sits down", "a person waves")
STEPS = 8
ROUNDS = 7


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What one pack took.

    Attributes:
        seconds: a motion, until its arrays are on the host; the least of some rounds.
        thread: seconds a motion that the calling thread was on a core; the least.
        kernels: on the GPU, copies counted; None on a CPU.
        peak: bytes on the GPU above what was there before; None on a CPU.
        error: largest difference of a joint from the CPU's, metres, float64.
    """

    pack: int
    frames: int
    planted: bool
    seconds: float
    thread: float
    kernels: int | None
    peak: int | None
    error: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="in miniature, to see that it works")
    options = parser.parse_args()
    device = find_device(options.device)
    shapes = SMALL_SHAPES if options.tiny else SHAPES
    pipeline = load_bundled("tiny", "full")
    longest = max(frames for _, frames in shapes)
    requests = [Request(frames=longest, seed=7, steps=STEPS, prompt=each) for each in PROMPTS]
    latents = pipeline.denoise(requests, pipeline.encode(PROMPTS))
    figures = []
    for plant in (False, True):
        here = Decoder(pipeline.decoder.mean, pipeline.decoder.std, plant_feet=plant)
        there = Decoder(here.mean.to(device), here.std.to(device), plant_feet=plant)
        for count, length in shapes:
            pack = [latents[place % len(latents)][:length] for place in range(count)]
            figures.append(_figure(here, there, pack))
            _row(figures[-1])
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    about = {"bench": "decode", "device": card, "torch": torch.__version__}
    document = {**about, "figures": [asdict(figure) for figure in figures]}
    sys.stdout.write(json.dumps(document) + "\n")


def _figure(here: Decoder, there: Decoder, pack: Sequence[Tensor]) -> Figure:
    gpu = there.mean.is_cuda
    on_device = [latent.to(there.mean.device) for latent in pack]
    work = partial(there.decode, on_device)
    error = float((_joints(here, pack) - _joints(there, on_device).cpu()).abs().max())
    work()
    before = torch.cuda.memory_allocated() if gpu else 0
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    walls, threads = zip(*(_timed(work) for _ in range(ROUNDS)), strict=True)
    return Figure(
        pack=len(pack),
        frames=len(pack[0]),
        planted=there.plant_feet,
        seconds=min(walls) / len(pack),
        thread=min(threads) / len(pack),
        kernels=_kernels(work) if gpu else None,
        peak=torch.cuda.max_memory_allocated() - before if gpu else None,
        error=error,
    )


def _joints(decoder: Decoder, pack: Sequence[Tensor]) -> Tensor:
    pose, rows = decoder.pose(pack)
    pose = decoder.lowered(pose, rows)
    if decoder.plant_feet:
        pose = decoder.lowered(planted(pose, rows, GENERATED), rows)
    return pose.world


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, thread = time.perf_counter(), time.thread_time()
    work()
    return time.perf_counter() - wall, time.thread_time() - thread


def _kernels(work: Callable[[], object]) -> int:
    with profile(activities=[ProfilerActivity.CUDA]) as found:
        work()
    events = found.events() or ()
    return sum(event.device_type.name == "CUDA" for event in events)


def _row(figure: Figure) -> None:
    feet = "planted" if figure.planted else "free"
    sys.stderr.write(
        f"{figure.pack:4} x {figure.frames:3} {feet:8} {figure.seconds * 1e3:8.3f} ms a motion"
        f" (thread {figure.thread * 1e3:.3f}), {figure.kernels} kernels,"
        f" {(figure.peak or 0) / 1e6:.0f} MB, error {figure.error:.1e} m\n"
    )


if __name__ == "__main__":
    main()
