"""Small text encoders as a user has them, made at random with `transformers`.

`make_qwen` and `make_clip` make what a publisher gives out, `make_text_folder` an installed `text/`
folder. The widths are those of the golden mini model unless told otherwise.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

CTXT_DIM = 48
VTXT_DIM = 24
MESSAGE = "Describe how the body moves, joint by joint: who, where, how fast. Naïve texts are fine."

CHATML = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{%- endif -%}{%- endif -%}"
)
CONTROLS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CORPUS = [
    MESSAGE,
    "a person walks forward and waves with the left hand",
    "someone jumps, turns around and sits down slowly",
    "system user assistant",
    "one\n\ntwo\n\nthree\n\n\nfour\n\n\n\nfive\n\n",
]
SPLIT = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+"


class Saved(Protocol):
    """What is used of a model of `transformers`."""

    def save_pretrained(self, path: Path, *, max_shard_size: str = "5GB") -> None: ...


def make_text_folder(
    path: Path,
    *,
    ctxt_dim: int = CTXT_DIM,
    vtxt_dim: int = VTXT_DIM,
    message: str = MESSAGE,
    seed: int = 0,
) -> Path:
    """An installed text encoder: `encoder.json`, `system_message.txt`, `qwen/` and `clip/`."""
    path.mkdir(parents=True)
    make_qwen(path / "qwen", width=ctxt_dim, seed=seed)
    make_clip(path / "clip", width=vtxt_dim, seed=seed)
    digest = hashlib.sha256(message.encode()).hexdigest()
    settings = f"{ctxt_dim} {vtxt_dim} {seed} {digest}"
    identity = {
        "schema": 1,
        "revision": f"te-{hashlib.sha256(settings.encode()).hexdigest()[:12]}",
        "system_message_sha256": digest,
    }
    (path / "system_message.txt").write_bytes(message.encode())
    (path / "encoder.json").write_text(json.dumps(identity), encoding="utf-8")
    return path


def make_qwen(path: Path, *, width: int = CTXT_DIM, seed: int = 0, layers: int = 2) -> Path:
    """A folder as Qwen3-8B's, with the head and in several files, but tiny."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    path.mkdir(parents=True)
    vocabulary = write_chat_tokenizer(path)
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=2048,
        initializer_range=0.3,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model: Saved = _seeded(lambda: Qwen3ForCausalLM(config).to(torch.bfloat16), seed)
    model.save_pretrained(path, max_shard_size="100KB")
    return path


def make_clip(path: Path, *, width: int = VTXT_DIM, seed: int = 0, legacy_end: bool = True) -> Path:
    """A folder as CLIP ViT-L/14's, with the vision half, but tiny.

    `legacy_end`: the config calls token 2 the end of the text, as the published one does.
    """
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    path.mkdir(parents=True)
    vocabulary = write_clip_tokenizer(path)
    text = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=16,
        bos_token_id=0 if legacy_end else vocabulary - 2,
        eos_token_id=2 if legacy_end else vocabulary - 1,
        pad_token_id=1,
        initializer_range=0.3,
        initializer_factor=5.0,
    )
    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        image_size=8,
        patch_size=4,
        projection_dim=16,
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16
    )
    _seeded(lambda: CLIPModel(config), seed).save_pretrained(path)
    return path


def write_chat_tokenizer(path: Path, *, template: str = CHATML) -> int:
    """Write a byte-level tokenizer with a chat template; returns the size of its vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(list(CONTROLS))
    tokenizer.save(str(path / "tokenizer.json"))
    written = json.loads((path / "tokenizer.json").read_text())["model"]
    (path / "vocab.json").write_text(json.dumps(written["vocab"]))
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in written["merges"]]
    (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {
        "tokenizer_class": "Qwen2Tokenizer",
        "chat_template": template,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"],
        "add_prefix_space": False,
        "model_max_length": 131072,
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(token)): {"content": token, "special": True}
            for token in CONTROLS
        },
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return int(tokenizer.get_vocab_size())


def write_clip_tokenizer(path: Path) -> int:
    """Write a tokenizer with the marks of CLIP's; returns the size of its vocabulary."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ["w a", "l k", "wa lk", "t h", "th e</w>", "a n", "an d</w>"]
    merged = [merge.replace(" ", "") for merge in merges]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *merged]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    (path / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "model_max_length": 77,
    }
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(vocabulary)


def _seeded(make: Callable[[], Saved], seed: int) -> Saved:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()
