"""Whole nights on GPUs, texts encoded before: `python3 -m benchmarks.gpu.queue FOLDER`.

Random weights of the published sizes are written to FOLDER (unless they exist) and imported, and
random features stand for encoded texts. `hymo up` then runs many prompts with several seeds, and
one urgent job after the other. Each figure is one line of JSON; from the attempts come the seconds
from the first start to the last end, of each phase, and between two packs of a worker.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.randomflow import SIZES, random_config, random_flow
from benchmarks.gpu.synthetic import make_prompts
from benchmarks.importing import CONFIG
from hymotion.conditioning import TextConditioning
from hymotion.text.store import EmbeddingStore

REVISION = "te-000000000000"
PATIENCE = 600.0
PHASES = ("load_s", "encode_s", "sample_s", "decode_s", "save_s")


@dataclass(frozen=True)
class Night:
    """A home with one model in one mode, and its workers.

    Attributes:
        home: the home.
        model, mode: what its jobs ask for.
        devices: of `hymo up`.
    """

    home: Path
    model: str
    mode: str
    devices: str

    @property
    def environ(self) -> Mapping[str, str]:
        """Of `hymo` processes."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("HYMO_")}
        return {**plain, "HYMO_HOME": str(self.home)}

    def hymo(self, *words: str) -> str:
        """Run a command; its output."""
        command = [sys.executable, "-m", "jobs", *words]
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            logs = "\n".join(path.read_text()[-3000:] for path in self.home.glob("logs/*.log"))
            sys.exit(f"{words} ended with {done.returncode}:\n{done.stderr[-3000:]}\n{logs}")
        return done.stdout

    @contextmanager
    def up(self) -> Iterator[float]:
        """Keep the workers running; the seconds until they were ready."""
        begun = time.monotonic()
        flags = ["--devices", self.devices, "--models", self.model, "--serve", self.mode]
        flags += ["--text-plan", "cached"] if self.model != "null" else ["--memory", "1024"]
        log = (self.home / "up.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs", "up", *flags], env=self.environ, stdout=log, stderr=log
        )
        wanted = 1 if self.devices in {"auto", "cpu"} else len(self.devices.split(","))
        try:
            while time.monotonic() < begun + PATIENCE:
                if process.poll() is not None:
                    sys.exit(f"hymo up ended:\n{(self.home / 'up.log').read_text()[-3000:]}")
                workers = json.loads(self.hymo("workers", "--json"))["workers"]
                if sum(each["alive"] for each in workers) >= wanted:
                    break
                time.sleep(0.2)
            yield time.monotonic() - begun
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def run(
        self, prompts: Sequence[str], name: str, *flags: str, seed: int = 0
    ) -> list[dict[str, Any]]:
        """Submit prompts and wait until all are done; the attempts."""
        file = self.home / f"{name}.csv"
        rows = [f"p{number},{seed},{prompt}" for number, prompt in enumerate(prompts)]
        file.write_text("\n".join(["id,seed,prompt", *rows]) + "\n", "utf-8")
        words = ("--model", self.model, "--mode", self.mode, "--batch", name)
        self.hymo("submit", str(file), *words, *flags)
        self.hymo("watch", name)
        connection = sqlite3.connect(self.home / "hymo.db")
        connection.row_factory = sqlite3.Row
        query = (
            "SELECT attempts.* FROM attempts JOIN jobs ON jobs.id = job_id"
            " JOIN batches ON batches.id = batch_id WHERE name = ? AND outcome = 'succeeded'"
        )
        found = [dict(row) for row in connection.execute(query, (name,))]
        connection.close()
        return found


class Utilization:
    """Samples how busy the GPUs are; empty without NVIDIA's library."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Utilization:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def between(self, start: float, end: float) -> float | None:
        """The mean per cent of the samples between two times; None if there is none."""
        inside = [value for at, value in self.samples if start <= at <= end]
        return round(statistics.fmean(inside), 1) if inside else None

    def _run(self) -> None:
        import pynvml

        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return
        count = pynvml.nvmlDeviceGetCount()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
        while not self._stop.wait(0.05):
            busy = [pynvml.nvmlDeviceGetUtilizationRates(each).gpu for each in handles]
            self.samples.append((time.time(), statistics.fmean(busy)))


def main() -> None:
    """Write the weights, import them, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--modes", default="full,lite")
    parser.add_argument("--frames", default="100,360")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--singles", type=int, default=5, help="urgent jobs, one after the other")
    parser.add_argument("--devices", default="auto")
    parser.add_argument("--null", action="store_true", help="the null model, to try the script")
    options = parser.parse_args()
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    _say({"bench": "queue", "card": card, "torch": torch.__version__})
    prompts = make_prompts(options.prompts)
    for mode in options.modes.split(","):
        home = options.folder / f"home-{mode}"
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        model = "null" if options.null else "hy-motion-1.0"
        night = Night(home, model, mode, options.devices)
        if not options.null:
            _install(night, options.folder / mode, prompts)
        with night.up() as cold:
            pass
        with night.up() as warm:
            _say({"mode": mode, "ready_s": round(cold, 1), "again_s": round(warm, 1)})
            for frames in options.frames.split(","):
                _many(night, prompts, frames=frames, seeds=options.seeds)
            _singles(night, prompts, options.singles)


def _install(night: Night, weights: Path, prompts: Sequence[str]) -> None:
    """Random weights as if downloaded, imported; and random features of the prompts."""
    network = SIZES[f"random-{night.mode}"]
    if not (weights / "latest.ckpt").is_file():
        weights.mkdir(parents=True)
        config = random_config(network)
        state = random_flow(config, device=torch.device("cuda")).state_dict()
        tensors = {name: tensor.cpu() for name, tensor in state.items()}
        torch.save({"model_state_dict": tensors}, weights / "latest.ckpt")
        sizes = (network.feat_dim, network.num_layers, network.num_heads)
        (weights / "config.yml").write_text(CONFIG.format(*sizes), "utf-8")
        del state, tensors
        torch.cuda.empty_cache()
    night.hymo(
        "models", "import", f"--{night.mode}", str(weights), "--link", "--text-revision", REVISION
    )
    store = EmbeddingStore(night.home / "embeddings", revision=REVISION, capacity=10**11)
    generator = torch.Generator().manual_seed(0)
    for prompt in prompts:
        length = len(prompt.split()) + 2
        pooled = torch.randn(1, network.vtxt_input_dim, generator=generator)
        tokens = torch.randn(length, network.ctxt_input_dim, generator=generator)
        store.put(prompt, TextConditioning(vtxt=pooled, ctxt=tokens, length=length))


def _many(night: Night, prompts: Sequence[str], *, frames: str, seeds: int) -> None:
    with Utilization() as busy:
        rows = night.run(prompts, f"many{frames}", "--frames", frames, "--seeds", str(seeds))
    first, last = min(row["started_at"] for row in rows), max(row["finished_at"] for row in rows)
    packs = _packs(rows)
    gaps = sorted(gap for each in packs.values() for gap in _gaps(each))
    sampled = [end for each in packs.values() for _, end, _ in each]
    line = {
        "mode": night.mode,
        "frames": int(frames),
        "motions": len(rows),
        "s_per_motion": round((last - first) / len(rows), 5),
        "first_to_last_s": round(last - first, 2),
        "workers": len(packs),
        "packs": [size for each in packs.values() for *_, size in each],
        "pack_s": [round(end - at, 3) for each in packs.values() for at, end, _ in each],
        "paths": sorted({row["path"] or "-" for row in rows}),
        "gap_p50_ms": round(1000 * statistics.median(gaps), 1) if gaps else None,
        "gap_p95_ms": round(1000 * gaps[int(0.95 * len(gaps))], 1) if gaps else None,
        "after_last_pack_s": round(last - max(sampled), 2),
        "gpu_busy_percent": busy.between(first, max(sampled)),
        "peak_memory_gib": round(max(row["peak_memory_bytes"] or 0 for row in rows) / 2**30, 2),
    }
    line |= {name: round(sum(row[name] or 0 for row in rows), 2) for name in PHASES}
    _say(line)


def _singles(night: Night, prompts: Sequence[str], count: int) -> None:
    took = []
    for number in range(count):
        (row,) = night.run(
            prompts[:1], f"one{number}", "--frames", "100", "--priority", "100",
            seed=1000 + number,
        )  # fmt: skip
        took.append(round(row["finished_at"] - row["started_at"], 3))
    _say({"mode": night.mode, "frames": 100, "one motion, claim to file, s": took})


def _packs(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float, int]]]:
    """Worker → the packs: when sampling began and ended, and the number of motions."""
    found: dict[str, dict[float, list[Mapping[str, Any]]]] = {}
    for row in rows:
        found.setdefault(row["worker_name"], {}).setdefault(row["sampling_at"], []).append(row)
    return {
        worker: sorted(
            (at, at + sum(row["sample_s"] for row in pack), len(pack)) for at, pack in own.items()
        )
        for worker, own in found.items()
    }


def _gaps(packs: Sequence[tuple[float, float, int]]) -> list[float]:
    return [after[0] - before[1] for before, after in pairwise(packs)]


def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
