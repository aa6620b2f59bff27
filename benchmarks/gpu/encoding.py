"""The text encoder at full size: `python3 -m benchmarks.gpu.encoding [--tiny] [--folder PATH]`.

Random weights of the published sizes are written once (16.4 GB; give `--folder` to keep them),
then loaded and used. Each figure is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from benchmarks.figure import Figure
from benchmarks.gpu.synthetic import TINY, Sizes, make_prompts, make_text_folder
from hymotion.conditioning import TextConditioning
from hymotion.text.official import OfficialEncoder
from hymotion.text.store import EmbeddingStore

T = TypeVar("T")

GIB = 2**30
NEEDED_GIB = 18
BATCH = 32
CLIP_TOKENS = 77


def main() -> None:
    """Create the folder if it is missing, measure, and remove it unless `--folder` was given."""
    options = _options()
    device = options.device
    own = options.folder is None
    folder = Path(tempfile.mkdtemp(prefix="hymo-encoding-")) if own else options.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        text = folder / "text"
        if not (text / "encoder.json").is_file():
            if not options.tiny and shutil.disk_usage(folder).free < NEEDED_GIB * GIB:
                sys.exit(f"{folder} needs {NEEDED_GIB} GiB free; give another --folder")
            sizes = TINY if options.tiny else Sizes()
            seconds, _ = _timed(lambda: make_text_folder(text, sizes=sizes, device=device))
            _say("write random weights", seconds, "s")
        _measure(text, device=device, rounds=options.rounds)
        if find_spec("torchao") is not None:
            _quantised(text, device=device, kind="int8")
    finally:
        if own:
            shutil.rmtree(folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tiny", action="store_true", help="a miniature, to see that it works")
    parser.add_argument("--folder", type=Path, help="where the weights are kept")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=8, help="batches that are timed")
    return parser.parse_args()


def _measure(text: Path, *, device: str, rounds: int) -> None:
    first, encoder = _timed(lambda: OfficialEncoder.load(text, device=device))
    _say("load, first", first, "s")
    encoder.close()
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    with _host_peak() as peak:
        second, encoder = _timed(lambda: OfficialEncoder.load(text, device=device))
    _say("load, from page cache", second, "s")
    _say("host memory of its own at the peak of a load", peak[0] / GIB, "GiB")
    _say("weights", encoder.weight_bytes / GIB, "GiB")
    _say_peak("GPU memory at the peak of a load", device)
    _speed(encoder, device=device, rounds=rounds)
    _largest(encoder, device)
    _differences(encoder)
    _storing(encoder, text.parent / "embeddings")
    encoder.close()
    if device.startswith("cuda"):
        _say("GPU memory once closed", torch.cuda.memory_allocated() / GIB, "GiB", at_most=0.1)


def _speed(encoder: OfficialEncoder, *, device: str, rounds: int) -> None:
    prompts = make_prompts(BATCH * rounds)
    encoder.encode(make_prompts(BATCH, seed=1))
    published = _published(encoder)
    published(prompts[0])
    seconds, _ = _timed(lambda: [published(prompt) for prompt in prompts[:BATCH]])
    one = BATCH / seconds
    _say("one at a time as published", one, "prompts/s")
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    seconds, _ = _timed(lambda: [encoder.encode([prompt]) for prompt in prompts[:BATCH]])
    _say("ours, batch 1", BATCH / seconds, "prompts/s")
    packs = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
    seconds, _ = _timed(lambda: [encoder.encode(pack) for pack in packs])
    ours = len(prompts) / seconds
    _say(f"ours, batch {BATCH}", ours, "prompts/s")
    _say("ratio to one at a time as published", ours / one, "", at_least=5)
    _say_peak(f"GPU memory at the peak of batch {BATCH}", device)
    seconds, _ = _timed(lambda: encoder.encode(prompts))
    _say(f"ours, {len(prompts)} prompts at once", len(prompts) / seconds, "prompts/s")
    _say_peak(f"GPU memory at the peak of {len(prompts)} prompts at once", device)
    qwen = encoder._qwen  # noqa: SLF001  # what the kept prefix brings is no one else's business
    if qwen is not None:
        kept, qwen._prefix = qwen._prefix, None  # noqa: SLF001 — measured from inside
        encoder.encode(packs[0])
        seconds, _ = _timed(lambda: [encoder.encode(pack) for pack in packs])
        qwen._prefix = kept  # noqa: SLF001 — measured from inside
        speed = len(prompts) / seconds
        _say(f"ours, batch {BATCH}, the system message computed each time", speed, "prompts/s")


def _largest(encoder: OfficialEncoder, device: str) -> None:
    """The largest working memory of the encoder: long prompts without a common beginning."""
    if not device.startswith("cuda"):
        return
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    encoder.encode([f"\n\n{prompt * 40}" for prompt in make_prompts(BATCH, seed=4)])
    beside = torch.cuda.max_memory_allocated() - before
    _say("GPU memory beside the weights at the peak of the largest batch", beside / GIB, "GiB")


def _published(encoder: OfficialEncoder) -> Callable[[str], torch.Tensor]:
    """Encode one prompt as upstream does, padded to the maximum length, without the head."""
    qwen, clip = encoder._parts()  # noqa: SLF001 — measured from inside
    size = qwen.template.size

    @torch.inference_mode()
    def encode(prompt: str) -> torch.Tensor:
        tokens = qwen.template.tokens(prompt)
        ids = torch.zeros(1, size, dtype=torch.long)
        ids[0, : len(tokens)] = torch.tensor(tokens)
        mask = torch.zeros_like(ids)
        mask[0, : len(tokens)] = 1
        ids, mask = ids.to(encoder.device), mask.to(encoder.device)
        states = qwen.model(input_ids=ids, attention_mask=mask).last_hidden_state
        words = clip._tokenizer(  # noqa: SLF001 — measured from inside
            [prompt],
            padding="max_length",
            max_length=CLIP_TOKENS,
            truncation=True,
            return_tensors="pt",
        )
        clip.model(input_ids=words["input_ids"].to(encoder.device))
        kept: torch.Tensor = states[0, qwen.template.crop_start : len(tokens)].cpu()
        return kept

    return encode


def _differences(encoder: OfficialEncoder) -> None:
    prompts = make_prompts(BATCH, seed=2)
    together = encoder.encode(prompts)
    alone = [encoder.encode([prompt])[0] for prompt in prompts]
    published = _published(encoder)
    one = [
        TextConditioning(vtxt=text.vtxt, ctxt=published(prompt), length=text.length)
        for prompt, text in zip(prompts, together, strict=True)
    ]
    _say(f"ctxt in a batch of {BATCH} against alone", _apart(together, alone), "relative")
    _say("ctxt alone against as published", _apart(alone, one), "relative")


def _apart(some: list[TextConditioning], others: list[TextConditioning]) -> float:
    """The largest relative difference (2-norm) of a prompt's token features."""
    return max(
        float((a.ctxt.float() - b.ctxt.float()).norm() / b.ctxt.float().norm())
        for a, b in zip(some, others, strict=True)
    )


def _storing(encoder: OfficialEncoder, root: Path) -> None:
    store = EmbeddingStore(root, revision=encoder.revision, capacity=100 * GIB)
    prompts = make_prompts(256, seed=3)
    texts = encoder.encode(prompts)
    seconds, _ = _timed(lambda: [store.put(*pair) for pair in zip(prompts, texts, strict=True)])
    _say("store, put", len(prompts) / seconds, "prompts/s")
    seconds, found = _timed(lambda: [store.get(prompt) for prompt in prompts])
    if any(text is None for text in found):
        sys.exit("the store lost what was put")
    _say("store, get", len(prompts) / seconds, "prompts/s")
    shutil.rmtree(root)


def _quantised(text: Path, *, device: str, kind: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    seconds, encoder = _timed(lambda: OfficialEncoder.load(text, device=device, quantise=kind))
    _say(f"{kind}: load", seconds, "s")
    _say(f"{kind}: weights", encoder.weight_bytes / GIB, "GiB")
    _say_peak(f"{kind}: GPU memory at the peak of a load", device)
    prompts = make_prompts(BATCH * 2)
    encoder.encode(prompts[:BATCH])
    seconds, _ = _timed(lambda: [encoder.encode(prompts[:BATCH]), encoder.encode(prompts[BATCH:])])
    _say(f"{kind}: batch {BATCH}", len(prompts) / seconds, "prompts/s")
    encoder.close()


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds until the device is done, and the result."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    made = work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, made


@contextmanager
def _host_peak() -> Iterator[list[int]]:
    """Largest growth of the process's anonymous memory, bytes; mapped files do not count."""
    peak, stopped, process = [0], threading.Event(), psutil.Process()
    before = _own(process)

    def watch() -> None:
        while not stopped.wait(0.01):
            peak[0] = max(peak[0], _own(process) - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stopped.set()
        thread.join()


def _own(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def _say_peak(name: str, device: str) -> None:
    if device.startswith("cuda"):
        _say(name, torch.cuda.max_memory_allocated() / GIB, "GiB")


def _say(
    name: str,
    value: float,
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> None:
    figure = Figure(
        bench="encoding", name=name, value=value, unit=unit, at_least=at_least, at_most=at_most
    )
    sys.stdout.write(json.dumps(figure.as_json(), ensure_ascii=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
