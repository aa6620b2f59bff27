"""GPU memory of sampling: `python3 -m benchmarks.gpu.memory [--tiny]`.

Measures random networks of the published sizes in each precision: the weights, and the peak of
packs of several sizes and lengths. `jobs.domain.catalog` uses the results. Each figure is one line
of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping

import torch

from benchmarks.gpu.randomflow import SIZES, SMALL, random_config, random_flow
from hymotion.conditioning import TextConditioning
from hymotion.config import ModelConfig
from hymotion.device import PRECISIONS
from hymotion.pipeline import Identity, Pipeline
from hymotion.sampling.request import Request

TOKENS = 40
SHAPES = ((20, 1), (100, 1), (360, 1), (100, 8), (360, 8), (100, 32))
"""(frames, motions a pack)."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="in miniature, to see that it works")
    small = parser.parse_args().tiny
    if not torch.cuda.is_available():
        sys.exit("there is no GPU here, and a CPU's memory is another matter")
    device = torch.device("cuda")
    card = torch.cuda.get_device_name(device)
    _say({"bench": "memory", "device": card, "torch": torch.__version__, "small": small})
    for name in SIZES:
        config = random_config(SMALL if small else SIZES[name], steps=2)
        for precision in ("float32", "bfloat16"):
            _measure(name, config, precision, device)


def _measure(name: str, config: ModelConfig, precision: str, device: torch.device) -> None:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    pipeline = Pipeline(
        identity=Identity(name, "custom", "benchmark", trained=False),
        config=config,
        flow=random_flow(config, device=device),
        encoder=None,
        device=device,
        dtype=PRECISIONS[precision],
    )
    about = {"model": name, "precision": precision}
    _say({**about, "weights": torch.cuda.memory_allocated()})
    for frames, pack in SHAPES:
        torch.cuda.reset_peak_memory_stats()
        requests = [_request(config, frames=frames, seed=seed) for seed in range(pack)]
        texts = [each.conditioning for each in requests if each.conditioning is not None]
        pipeline.denoise(requests, texts)
        _say({**about, "frames": frames, "pack": pack, "peak": _peak()})


def _request(config: ModelConfig, *, frames: int, seed: int) -> Request:
    generator = torch.Generator().manual_seed(seed)
    network = config.network
    text = TextConditioning(
        torch.randn(1, network.vtxt_input_dim, generator=generator),
        torch.randn(TOKENS, network.ctxt_input_dim, generator=generator),
        TOKENS,
    )
    return Request(frames=frames, seed=seed, conditioning=text)


def _peak() -> int:
    return int(torch.cuda.max_memory_allocated())


def _say(line: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
