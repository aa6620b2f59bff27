"""What a user would have downloaded, made small: a model, text models, a clone, a hub's cache."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from hymotion.config import ModelConfig
from hymotion.importing import HY_MOTION, Release, Wanted
from hymotion.text.folder import Fingerprint

GOLDEN = Path(__file__).parents[3] / "golden"
MINI = GOLDEN / "mini"
MESSAGE = "Say how the body moves.\nNothing “else”.\n"

DIGEST = hashlib.sha256(MESSAGE.encode()).hexdigest()
RELEASE: Release = replace(
    HY_MOTION,
    sizes={"full": (64, 3, 2), "lite": (32, 3, 2)},
    ctxt_dim=48,
    vtxt_dim=24,
    system_message=Fingerprint(length=len(MESSAGE), begins=DIGEST[:8], ends=DIGEST[-4:]),
)
"""The golden network as if it had been published, with a smaller one beside it."""


def model(folder: Path, *, tensors: Mapping[str, Tensor] | None = None) -> Path:
    """A folder as published, with the golden network's checkpoint or one of these tensors."""
    folder.mkdir(parents=True)
    shutil.copy(MINI / "config.yml", folder)
    if tensors is None:
        shutil.copy(MINI / "latest.ckpt", folder)
    else:
        torch.save({"model_state_dict": dict(tensors), "epoch": 1}, folder / "latest.ckpt")
    return folder


def lite_model(folder: Path) -> Path:
    """A folder of the smaller mode, with random numbers."""
    folder.mkdir(parents=True)
    text = (MINI / "config.yml").read_text("utf-8").replace("feat_dim: 64", "feat_dim: 32")
    (folder / "config.yml").write_text(text, "utf-8")
    generator = torch.Generator().manual_seed(3)
    tensors = {
        name: torch.randn(tensor.shape, generator=generator).abs()
        for name, tensor in RELEASE.tensors(ModelConfig.parse(text), "lite").items()
    }
    torch.save({"model_state_dict": tensors}, folder / "latest.ckpt")
    return folder


def state() -> dict[str, Tensor]:
    """The golden network's tensors."""
    loaded: dict[str, dict[str, Tensor]] = torch.load(MINI / "latest.ckpt", weights_only=True)
    return loaded["model_state_dict"]


def clone(folder: Path, *, code: str | None = None) -> Path:
    """A copy of the published program, as far as it matters."""
    path = folder / "hymotion" / "network" / "text_encoders" / "model_constants.py"
    path.parent.mkdir(parents=True)
    text = f"PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION = {MESSAGE!r}\n" if code is None else code
    path.write_text(text, "utf-8")
    return folder


def language_model(folder: Path, *, shards: int = 2, width: int = 48) -> Path:
    """A folder as Qwen3-8B's, of tiny tensors."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "hidden_size": width}))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "README.md"):
        (folder / name).write_text(f"{{}} {name}")
    index = {}
    for number in range(1, shards + 1):
        name = f"model-{number:05}-of-{shards:05}.safetensors"
        tensor = f"model.layers.{number}.weight"
        save_file({tensor: torch.full((3, 4), float(number))}, folder / name)
        index[tensor] = name
    listed = {"metadata": {}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listed))
    return folder


def clip_model(folder: Path, *, width: int = 24) -> Path:
    """A folder as CLIP's, of tiny tensors, with the other formats that its repository has."""
    folder.mkdir(parents=True)
    config = {"model_type": "clip", "text_config": {"hidden_size": width}, "hidden_size": 1}
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("vocab.json", "merges.txt", "pytorch_model.bin", "flax_model.msgpack"):
        (folder / name).write_text(name)
    save_file({"text_model.weight": torch.arange(6.0)}, folder / "model.safetensors")
    return folder


def hub(cache: Path, repository: str, folder: Path, *, revision: str = "0a1b2c") -> Path:
    """A folder's files as the hub's client keeps them; the repository's folder in the cache."""
    home = cache / f"models--{repository.replace('/', '--')}"
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            blob = home / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            blob.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blob)
            place = home / "snapshots" / revision / path.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(blob)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision)
    return home


def everything(folder: Path) -> Wanted:
    """All that can be given at once, but for the second mode."""
    return Wanted(
        full=model(folder / "full"),
        upstream=clone(folder / "clone"),
        qwen=language_model(folder / "qwen"),
        clip=clip_model(folder / "clip"),
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
