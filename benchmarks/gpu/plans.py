"""Text plans at full size, through the whole queue: `python3 -m benchmarks.gpu.plans FOLDER`.

Random weights of the published sizes are written to FOLDER as if downloaded (22 GB, unless they
exist), imported, and run by `hymo run` with each plan. Measures the peak of GPU memory of one job
of 100 frames, and the time of many prompts with several seeds. Each figure is one line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import torch

from benchmarks.gpu.randomflow import SIZES, random_config, random_flow
from benchmarks.gpu.synthetic import Sizes, make_prompts, make_text_folder
from benchmarks.importing import CONFIG
from hymotion.importing import HY_MOTION, Importer, Wanted
from hymotion.text.folder import Fingerprint

SINGLE = (
    ("resident", "float32"), ("resident", "bfloat16"), ("staged", "float32"),
    ("staged", "bfloat16"), ("cached", "float32"), ("cached", "bfloat16"),
)  # fmt: skip


def main() -> None:
    """Write the weights, import them, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--plans", default="staged,resident", help="of the many prompts")
    options = parser.parse_args()
    folder: Path = options.folder
    _say({"bench": "plans", "device": torch.cuda.get_device_name(), "torch": torch.__version__})
    _make(folder)
    home = folder / "home"
    _import(folder, home)
    torch.cuda.empty_cache()
    one = _prompt_file(folder / "one.csv", ["a person walks in a circle"])
    for plan, dtype in SINGLE:
        _single(one, home, folder / f"{plan}-{dtype}", plan=plan, dtype=dtype)
    many = _prompt_file(folder / "many.csv", make_prompts(options.prompts))
    for plan in options.plans.split(","):
        _many(many, home, folder / f"many-{plan}", plan=plan, seeds=options.seeds)


def _make(folder: Path) -> None:
    """Write the files that a user would have downloaded, unless they exist."""
    begun = time.perf_counter()
    full = folder / "full"
    if not (full / "latest.ckpt").is_file():
        full.mkdir(parents=True)
        config = random_config(SIZES["random-full"])
        state = random_flow(config, device=torch.device("cuda")).state_dict()
        tensors = {name: tensor.cpu() for name, tensor in state.items()}
        torch.save({"model_state_dict": tensors}, full / "latest.ckpt")
        sizes = (config.network.feat_dim, config.network.num_layers, config.network.num_heads)
        (full / "config.yml").write_text(CONFIG.format(*sizes), "utf-8")
    if not (folder / "encoder" / "encoder.json").is_file():
        shutil.rmtree(folder / "encoder", ignore_errors=True)
        make_text_folder(folder / "encoder", sizes=Sizes(), device="cuda")
    constants = folder / "clone" / "hymotion" / "network" / "text_encoders" / "model_constants.py"
    constants.parent.mkdir(parents=True, exist_ok=True)
    constants.write_text(f"PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION = {_message(folder)!r}\n", "utf-8")
    _say({"random weights written": round(time.perf_counter() - begun, 1), "unit": "s"})


def _message(folder: Path) -> str:
    return (folder / "encoder" / "system_message.txt").read_text("utf-8")


def _import(folder: Path, home: Path) -> None:
    message = _message(folder)
    digest = hashlib.sha256(message.encode()).hexdigest()
    known = Fingerprint(length=len(message), begins=digest[:8], ends=digest[-4:])
    importer = Importer(models=home / "models", release=replace(HY_MOTION, system_message=known))
    encoder = folder / "encoder"
    wanted = Wanted(
        full=folder / "full",
        upstream=folder / "clone",
        qwen=encoder / "qwen",
        clip=encoder / "clip",
        link=True,
    )
    begun = time.perf_counter()
    importer.run(importer.plan(wanted))
    peak = psutil.Process().memory_info()
    _say(
        {
            "import of full, encoder linked": round(time.perf_counter() - begun, 1),
            "unit": "s",
            "resident_set": peak.rss,
        }
    )


def _prompt_file(path: Path, prompts: Sequence[str]) -> Path:
    rows = [f"p{number},{prompt}" for number, prompt in enumerate(prompts)]
    path.write_text("\n".join(["id,prompt", *rows]) + "\n", "utf-8")
    return path


def _single(file: Path, home: Path, work: Path, *, plan: str, dtype: str) -> None:
    """Run one job; with `cached`, its text was already encoded by an earlier plan."""
    seconds = _run(file, home, work, plan=plan, dtype=dtype, flags=("--steps", "10"))
    rows = _attempts(work)
    _say(
        {
            "plan": plan,
            "dtype": dtype,
            "peak_memory_gib": round(max(row["peak_memory_bytes"] or 0 for row in rows) / 2**30, 2),
            "peaks": {f"{row['mode']} {row['outcome']}": row["peak_memory_bytes"] for row in rows},
            "load_s": [round(row["load_s"] or 0, 1) for row in rows],
            "seconds": round(seconds, 1),
        }
    )


def _many(file: Path, home: Path, work: Path, *, plan: str, seeds: int) -> None:
    seconds = _run(file, home, work, plan=plan, dtype="auto", flags=("--seeds", str(seeds)))
    rows = _attempts(work)
    done = [row for row in rows if row["outcome"] == "succeeded"]
    _say(
        {
            "plan": plan,
            "motions": len(done),
            "seconds": round(seconds, 1),
            "from first start to last end": round(
                max(row["finished_at"] for row in rows) - min(row["started_at"] for row in rows), 1
            ),
            "texts encoded": sum(row["embedding"] == "made" for row in rows),
            "encode_s": round(sum(row["encode_s"] or 0 for row in rows), 1),
            "sample_s": round(sum(row["sample_s"] or 0 for row in rows), 1),
            "decode_s": round(sum(row["decode_s"] or 0 for row in rows), 1),
            "save_s": round(sum(row["save_s"] or 0 for row in rows), 1),
            "load_s": round(sum(row["load_s"] or 0 for row in rows), 1),
            "loads": sum(row["loads"] or 0 for row in rows),
            "peak_memory_gib": round(max(row["peak_memory_bytes"] or 0 for row in rows) / 2**30, 2),
        }
    )


def _run(
    file: Path, home: Path, work: Path, *, plan: str, dtype: str, flags: Sequence[str]
) -> float:
    """Run a file in a new home that shares the models and, for single jobs, the texts."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "models").symlink_to(home / "models")
    shared = work if file.name == "many.csv" else home
    environ = {**os.environ, "HYMO_HOME": str(work), "HYMO_EMBEDDINGS": str(shared / "embeddings")}
    command = [sys.executable, "-m", "jobs", "run", str(file), "--mode", "full", "--frames", "100"]
    command += ["--text-plan", plan, "--dtype", dtype, "--models", "hy-motion-1.0"]
    command += ["--serve", "full", *flags]
    begun = time.perf_counter()
    if plan != "cached" and file.name == "one.csv":
        shutil.rmtree(shared / "embeddings", ignore_errors=True)
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        logs = "\n".join(path.read_text()[-3000:] for path in (work / "logs").glob("*.log"))
        sys.exit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}\n{logs}"
        )
    return time.perf_counter() - begun


def _attempts(work: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(work / "hymo.db")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("SELECT * FROM attempts WHERE outcome != 'released' ORDER BY id")
    return [dict(row) for row in rows]


def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
