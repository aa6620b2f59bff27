"""A text encoder of the published sizes with random weights, as an installed folder.

The weights are drawn on the device and written a layer at a time: nothing holds the model whole.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.official import write_chat_tokenizer, write_clip_tokenizer

PREFIX_WORDS = 25
"""Words of the stand-in for the system message: about 110 tokens before the prompt."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of Qwen3's decoder and of CLIP's text half."""

    hidden: int = 4096
    layers: int = 36
    heads: int = 32
    key_heads: int = 8
    head: int = 128
    inner: int = 12288
    vocabulary: int = 151936
    clip: int = 768
    clip_layers: int = 12
    clip_heads: int = 12
    clip_vocabulary: int = 49408


TINY = Sizes(
    hidden=64, layers=2, heads=4, key_heads=2, head=16, inner=128, vocabulary=512,
    clip=32, clip_layers=2, clip_heads=2, clip_vocabulary=600,
)  # fmt: skip


def make_text_folder(path: Path, *, sizes: Sizes, device: str) -> Path:
    """Write `encoder.json`, `system_message.txt`, `qwen/` (16.4 GB at full size) and `clip/`."""
    (path / "qwen").mkdir(parents=True)
    (path / "clip").mkdir()
    _write_qwen(path / "qwen", sizes, device)
    _write_clip(path / "clip", sizes)
    message = " ".join(["motion"] * PREFIX_WORDS).encode()
    identity = {
        "schema": 1,
        "revision": "te-000000000000",
        "system_message_sha256": hashlib.sha256(message).hexdigest(),
    }
    (path / "system_message.txt").write_bytes(message)
    (path / "encoder.json").write_text(json.dumps(identity), encoding="utf-8")
    return path


def make_prompts(count: int, *, seed: int = 0) -> list[str]:
    """Different prompts of about 12 to 40 tokens, as the small tokenizer counts them."""
    draw = random.Random(seed)  # noqa: S311  # no secret
    words = ("walk", "turns", "slowly", "hand", "left", "jumps", "person", "sits")
    return [
        f"{number} " + " ".join(draw.choice(words) for _ in range(draw.randint(7, 32)))
        for number in range(count)
    ]


def _write_qwen(folder: Path, sizes: Sizes, device: str) -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    write_chat_tokenizer(folder)
    config = Qwen3Config(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.inner,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_heads,
        head_dim=sizes.head,
        tie_word_embeddings=False,
        max_position_embeddings=40960,
        rms_norm_eps=1e-6,
    )
    config.save_pretrained(folder)
    with torch.device("meta"):
        model = Qwen3ForCausalLM(config)
    generator = torch.Generator(device).manual_seed(0)
    index: dict[str, str] = {}
    for number, (name, part) in enumerate(_parts(model)):
        tensors = {
            f"{name}{inner}": _drawn(tensor, generator) for inner, tensor in part.named_parameters()
        }
        file = f"model-{number:05d}.safetensors"
        save_file(tensors, folder / file, {"format": "pt"})
        index |= dict.fromkeys(tensors, file)
    listed = {"metadata": {}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listed), encoding="utf-8")


def _parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    decoder = model.get_submodule("model")
    for name, child in decoder.named_children():
        if isinstance(child, nn.ModuleList):
            yield from ((f"model.{name}.{number}.", layer) for number, layer in enumerate(child))
        elif any(True for _ in child.parameters()):
            yield f"model.{name}.", child
    yield "lm_head.", model.get_submodule("lm_head")


def _drawn(tensor: Tensor, generator: torch.Generator) -> Tensor:
    if tensor.ndim == 1:
        return torch.ones(tensor.shape, dtype=torch.bfloat16)
    numbers = torch.randn(tensor.shape, generator=generator, device=generator.device)
    return numbers.mul_(0.02).to(torch.bfloat16).cpu()


def _write_clip(folder: Path, sizes: Sizes) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    write_clip_tokenizer(folder)
    config = CLIPTextConfig(
        vocab_size=sizes.clip_vocabulary,
        hidden_size=sizes.clip,
        intermediate_size=4 * sizes.clip,
        num_hidden_layers=sizes.clip_layers,
        num_attention_heads=sizes.clip_heads,
        projection_dim=sizes.clip,
        bos_token_id=0,
        eos_token_id=2,
    )
    CLIPTextModel(config).save_pretrained(folder)
