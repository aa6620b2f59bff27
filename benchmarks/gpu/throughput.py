"""Seconds a motion of the network alone: `python3 -m benchmarks.gpu.throughput FILE`.

Random weights of the published sizes, four seeds a prompt, guidance. Each cell (mode, frames, pack,
path, precision) is one line of JSON that is appended to FILE; cells that are there are skipped, so
that an interrupted run goes on. A table of all cells follows on standard error.

The work of a motion is that of the network as published: its matrix products for one motion with a
text of its own, counted by torch in an eager step. The ceiling is the rate of one large product.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.randomflow import SIZES, SMALL, random_config, random_flow
from hymotion.conditioning import TextConditioning
from hymotion.device import PRECISIONS, find_device
from hymotion.loading.model import load_bundled
from hymotion.pipeline import Identity, Pipeline
from hymotion.sampling.request import Request

SEEDS = 4
STEPS = 50
#: Steps that are timed; a motion takes `STEPS` of them.
TIMED = 10
TOKENS = 40
ROUNDS = 3


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one line of the file measures."""

    mode: str
    frames: int
    pack: int
    path: str
    precision: str


def main() -> None:
    """Measure the cells that are not in the file, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--modes", default="full,lite", help="also tiny-full and tiny-lite")
    parser.add_argument("--frames", default="48,100,200,360")
    parser.add_argument("--packs", default="1,8,64,128")
    parser.add_argument("--paths", default="fused,eager")
    parser.add_argument("--precisions", default="bfloat16")
    parser.add_argument("--tiny", action="store_true", help="in miniature, to see that it works")
    options = parser.parse_args()
    device = find_device(options.device)
    done = _read(options.file)
    known = [_cell(line) for line in done if line["card"] == _card(device)]
    for mode, precision, path in product(
        options.modes.split(","), options.precisions.split(","), options.paths.split(",")
    ):
        cells = [
            Cell(mode=mode, frames=frames, pack=pack, path=path, precision=precision)
            for frames in map(int, options.frames.split(","))
            for pack in map(int, options.packs.split(","))
        ]
        wanted = [cell for cell in cells if cell not in known]
        if not wanted:
            continue
        pipeline = _pipeline(mode, precision, device, small=options.tiny)
        rate = _ceiling(device, PRECISIONS[precision].dtype)
        if path == "eager":
            pipeline._fused = None  # noqa: SLF001  # what a card without the kernels does
        for line in _lines(pipeline, wanted, rate):
            done.append(line)
            with options.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        del pipeline
        gc.collect()
    _table(done)


def _pipeline(mode: str, precision: str, device: torch.device, *, small: bool) -> Pipeline:
    if mode.startswith("tiny-"):
        return load_bundled("tiny", mode.removeprefix("tiny-"), device=device, dtype=precision)
    config = random_config(SMALL if small else SIZES[f"random-{mode}"], steps=STEPS)
    return Pipeline(
        identity=Identity("random", "custom", "benchmark", trained=False),
        config=config,
        flow=random_flow(config, device=device),
        encoder=None,
        device=device,
        dtype=PRECISIONS[precision],
    )


def _lines(pipeline: Pipeline, cells: Sequence[Cell], rate: float) -> Iterator[dict[str, Any]]:
    for cell in cells:
        if cell.path == "fused" and pipeline.eager_because:
            sys.stderr.write(f"skipped {cell}: {pipeline.eager_because}\n")
            continue
        try:
            figures = _measured(pipeline, cell)
        except torch.OutOfMemoryError:
            sys.stderr.write(f"skipped {cell}: out of memory\n")
            continue
        work = _work(pipeline, cell.frames) * STEPS
        figures["tflops"] = round(work / figures["s_per_motion"] / 1e12, 3)
        figures["of_ceiling"] = round(work / figures["s_per_motion"] / 1e12 / rate, 3)
        yield {
            **vars(cell),
            **figures,
            "ceiling_tflops": round(rate, 3),
            "card": _card(pipeline.device),
            "torch": torch.__version__,
            "python": platform.python_version(),
        }


def _measured(pipeline: Pipeline, cell: Cell) -> dict[str, float]:
    """Seconds a motion (the median of some rounds), of the first call, and peak memory."""
    texts = _texts(pipeline, -(-cell.pack // SEEDS))
    chosen = [texts[index // SEEDS] for index in range(cell.pack)]
    requests = [
        Request(frames=cell.frames, seed=seed, conditioning=text, steps=TIMED)
        for seed, text in enumerate(chosen)
    ]
    _reset(pipeline.device)
    begun = time.perf_counter()
    pipeline.denoise(requests, chosen)
    first = time.perf_counter() - begun
    took = []
    for _ in range(ROUNDS):
        prepared = pipeline.prepare(requests, chosen)
        _wait(pipeline.device)
        begun = time.perf_counter()
        pipeline.solve(prepared)
        _wait(pipeline.device)
        took.append(time.perf_counter() - begun)
        del prepared
    return {
        "s_per_motion": round(statistics.median(took) / TIMED * STEPS / cell.pack, 6),
        "first_call_s": round(first, 3),
        "peak_gib": round(_peak(pipeline.device) / 2**30, 2),
    }


def _work(pipeline: Pipeline, frames: int) -> int:
    """Floating-point operations of one step of one guided motion, by torch's count."""
    fused, pipeline._fused = pipeline._fused, None  # noqa: SLF001  # torch counts no own kernels
    (text,) = _texts(pipeline, 1)
    request = Request(frames=frames, seed=0, conditioning=text, steps=1)
    try:
        with FlopCounterMode(display=False) as counter:
            pipeline.denoise([request], [text])
    finally:
        pipeline._fused = fused  # noqa: SLF001
    return int(counter.get_total_flops())


def _texts(pipeline: Pipeline, count: int) -> list[TextConditioning]:
    generator = torch.Generator().manual_seed(0)
    pooled, tokens = pipeline.text_widths
    return [
        TextConditioning(
            vtxt=torch.randn(1, pooled, generator=generator),
            ctxt=torch.randn(TOKENS, tokens, generator=generator),
            length=TOKENS,
        )
        for _ in range(count)
    ]


def _ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a large product, on a card for a second: it slows down as it warms up."""
    size, seconds = (8192, 1.0) if device.type == "cuda" else (1024, 0.2)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times, begun = [], time.perf_counter()
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        for _ in range(10):
            a @ b
        _wait(device)
        times.append((time.perf_counter() - start) / 10)
    return 2 * size**3 / statistics.median(times) / 1e12


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


def _card(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def _cell(line: Mapping[str, Any]) -> Cell:
    return Cell(**{name: line[name] for name in Cell.__dataclass_fields__})


def _table(lines: Sequence[Mapping[str, Any]]) -> None:
    names = (*Cell.__dataclass_fields__, "s_per_motion", "tflops", "of_ceiling", "peak_gib")
    rows = [names, *([str(line[name]) for name in names] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names))]
    for row in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        sys.stderr.write("  ".join(cells) + "\n")


if __name__ == "__main__":
    main()
