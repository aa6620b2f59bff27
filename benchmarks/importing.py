"""`python -m benchmarks.importing FOLDER`: importing and loading checkpoints of full size.

Uses random tensors with the published names and shapes. Each measurement runs in its own process,
whose memory is read from outside. Not part of `make bench`: it takes minutes and writes up to 9 GB,
which it removes.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.figure import Figure
from benchmarks.machine import machine
from benchmarks.process import ProcessError

BENCH = "importing"
NAME = "hy-motion-1.0"
LISTS = Path(__file__).parents[1] / "tests" / "golden"
SIZES = {"full": (1280, 27, 20), "lite": (1024, 18, 16)}
CONFIG = """
network_module_args: {{apply_rope_to_single_branch: false, ctxt_input_dim: 4096, dropout: 0.0,
  feat_dim: {}, input_dim: 201, mask_mode: narrowband, mlp_ratio: 4.0, num_layers: {},
  num_heads: {}, time_factor: 1000.0, vtxt_input_dim: 768}}
train_pipeline_args: {{enable_ctxt_null_feat: true, output_mesh_fps: 30, train_frames: 360,
  infer_noise_scheduler_cfg: {{validation_steps: 50}}, test_cfg: {{text_guidance_scale: 5.0}},
  text_encoder_cfg: {{llm_type: qwen3, max_length_llm: 128}}}}
"""
LOAD = """
import sys, time, hymotion
start = time.perf_counter()
hymotion.load(sys.argv[1], dtype=sys.argv[2], revision=sys.argv[3])
print(time.perf_counter() - start)
"""
LOOK = 0.02
"""Seconds between two looks at a process's memory."""


@dataclass(frozen=True)
class Memory:
    """Peak resident memory of a process, bytes.

    Attributes:
        all: in total (VmHWM).
        anonymous: anonymous memory.
        file: mapped files, which the system can reclaim at any time.
    """

    all: int
    anonymous: int
    file: int


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--mode",
    "modes",
    type=click.Choice(tuple(SIZES)),
    multiple=True,
    default=tuple(SIZES),
    help="Only this one.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the JSON document here. [default: standard output]",
)
def main(folder: Path, modes: tuple[str, ...], file: Path | None) -> None:
    """Measure importing and loading in a scratch FOLDER, which must not exist."""
    folder.mkdir(parents=True)
    found = []
    try:
        for mode in modes:
            for figure in figures(folder, mode):
                found.append(figure)
                click.echo(f"{figure.name:50} {figure.value:10.4g} {figure.unit}", err=True)
    finally:
        shutil.rmtree(folder)
    document = {
        "schema": "hymo.bench/1",
        "machine": machine(),
        "figures": [figure.as_json() for figure in found],
    }
    text = json.dumps(document, indent=2)
    if file is None:
        click.echo(text)
    else:
        file.write_text(text + "\n", "utf-8")


def figures(folder: Path, mode: str) -> Iterator[Figure]:
    """One mode: imported, imported again, verified, loaded."""
    source, home = folder / mode, folder / f"home-{mode}"
    make(source, mode)
    size = (source / "latest.ckpt").stat().st_size
    hymo = [sys.executable, "-m", "jobs", "--home", str(home), "models"]
    for what, words in (
        ("import", [*hymo, "import", f"--{mode}", str(source), "--json"]),
        ("import again", [*hymo, "import", f"--{mode}", str(source), "--json"]),
        ("verify", [*hymo, "verify", NAME, "--json"]),
    ):
        start = time.perf_counter()
        out, memory = watched(words)
        yield _figure(f"{mode}: {what}", time.perf_counter() - start, "s")
        yield from _shares(f"{mode}: {what}", memory, size)
        if what == "import":
            revision = json.loads(out)["parts"][mode]["revision"]
    (source / "latest.ckpt").unlink()
    for dtype in ("float32", "bfloat16"):
        target = home / "models" / NAME / mode
        out, memory = watched([sys.executable, "-c", LOAD, str(target), dtype, revision])
        yield _figure(f"{mode}: load in {dtype}", float(out), "s")
        yield from _shares(f"{mode}: load in {dtype}", memory, size)
    shutil.rmtree(home)


def make(folder: Path, mode: str) -> None:
    """A folder of random weights in the published form."""
    import torch

    with (LISTS / f"state_dict_{mode}.tsv").open(encoding="utf-8") as file:
        rows = [(row["tensor"], row["shape"]) for row in csv.DictReader(file, delimiter="\t")]
    sides = {name: [int(side) for side in shape.split("x")] for name, shape in rows}
    need = 2 * 4 * sum(torch.Size(shape).numel() for shape in sides.values())
    free = shutil.disk_usage(folder.parent).free
    if free < need + 10**9:
        raise click.ClickException(f"{folder.parent}: {need:,} bytes are needed, {free:,} are free")
    folder.mkdir()
    (folder / "config.yml").write_text(CONFIG.format(*SIZES[mode]), "utf-8")
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.rand(shape, generator=generator) for name, shape in sides.items()}
    torch.save({"model_state_dict": state, "epoch": 0, "global_step": 0}, folder / "latest.ckpt")


def watched(command: Sequence[str]) -> tuple[str, Memory]:
    """Run a command; return its output and its peak memory.

    Raises:
        ProcessError: it failed.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peaks = {"VmHWM": 0, "RssAnon": 0, "RssFile": 0}
    ended = threading.Event()
    looker = threading.Thread(target=_look, args=(process.pid, peaks, ended))
    looker.start()
    out, err = process.communicate()
    ended.set()
    looker.join()
    if process.returncode:
        raise ProcessError(command, process.returncode, err)
    return out, Memory(peaks["VmHWM"], peaks["RssAnon"], peaks["RssFile"])


def _look(pid: int, peaks: dict[str, int], ended: threading.Event) -> None:
    status = Path("/proc") / str(pid) / "status"
    while not ended.wait(LOOK):
        for name, value in _sizes(status).items():
            if name in peaks:
                peaks[name] = max(peaks[name], value)


def _sizes(status: Path) -> Mapping[str, int]:
    try:
        lines = status.read_text("utf-8").splitlines()
    except OSError:
        return {}  # it has ended
    pairs = (line.split(":", 1) for line in lines)
    return {
        name: int(value.split()[0]) * 1024 for name, value in pairs if value.rstrip().endswith("kB")
    }


def _shares(name: str, memory: Memory, size: int) -> Iterator[Figure]:
    yield Figure(
        bench=BENCH, name=f"{name}, peak memory", value=memory.all / size, unit="of the file",
        at_most=1.5,
    )  # fmt: skip
    yield _figure(f"{name}, peak memory", memory.all / 1e9, "GB")
    yield _figure(f"{name}, of it no file's", memory.anonymous / 1e9, "GB")
    yield _figure(f"{name}, mapped files", memory.file / 1e9, "GB")


def _figure(name: str, value: float, unit: str) -> Figure:
    return Figure(bench=BENCH, name=name, value=value, unit=unit)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(prog_name="python -m benchmarks.importing")
