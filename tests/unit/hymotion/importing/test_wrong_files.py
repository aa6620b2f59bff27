"""Every wrong file says what it is and what to do, and nothing is written or run."""

import csv
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from hymotion.errors import CheckpointError, ConfigError, HymotionError, TensorMismatchError
from hymotion.importing import HY_MOTION, Importer, Wanted
from hymotion.importing.errors import SourceError, WrongWeightsError
from hymotion.importing.network import NetworkPart
from tests.unit.hymotion.importing.sources import GOLDEN, RELEASE, model, state

CONFIG = """
network_module_args: {{apply_rope_to_single_branch: false, ctxt_input_dim: 4096, dropout: 0.0,
  feat_dim: {dim}, input_dim: 201, mask_mode: narrowband, mlp_ratio: 4.0, num_heads: {heads},
  num_layers: {layers}, time_factor: 1000.0, vtxt_input_dim: 768}}
train_pipeline_args: {{enable_ctxt_null_feat: true, output_mesh_fps: 30, train_frames: 360,
  infer_noise_scheduler_cfg: {{validation_steps: 50}}, test_cfg: {{text_guidance_scale: 5.0}},
  text_encoder_cfg: {{llm_type: qwen3, max_length_llm: 128}}}}
"""
SIZES = {"full": (1280, 27, 20), "lite": (1024, 18, 16)}


def check(folder: Path) -> NetworkPart:
    return NetworkPart.check(folder, "full", RELEASE, link=False)


def refused(folder: Path, kind: type[HymotionError] = SourceError) -> str:
    """The message with which a folder is refused; nothing is left behind."""
    models = folder.parent / "models"
    with pytest.raises(kind) as caught:
        Importer(models=models, release=RELEASE).plan(Wanted(full=folder))
    assert not models.exists()
    return str(caught.value)


def published(folder: Path, config_of: str, tensors_of: str) -> Path:
    """A folder of the real names, shapes and size, whose file has holes for numbers."""
    folder.mkdir()
    dim, layers, heads = SIZES[config_of]
    (folder / "config.yml").write_text(CONFIG.format(dim=dim, layers=layers, heads=heads))
    with (GOLDEN / f"state_dict_{tensors_of}.tsv").open() as file:
        rows = [(row["tensor"], row["shape"]) for row in csv.DictReader(file, delimiter="\t")]
    entries, place = {}, 0
    for name, shape in rows:
        sides = [int(side) for side in shape.split("x")]
        size = 4 * torch.Size(sides).numel()
        entries[name] = {"dtype": "F32", "shape": sides, "data_offsets": [place, place + size]}
        place += size
    text = json.dumps(entries).encode()
    with (folder / "model.safetensors").open("wb") as writer:
        writer.write(struct.pack("<Q", len(text)) + text)
        writer.truncate(8 + len(text) + place)
    return folder


@pytest.mark.parametrize("mode", SIZES)
def test_the_released_tensors_fit_their_own_mode(tmp_path: Path, mode: str) -> None:
    part = NetworkPart.check(published(tmp_path / mode, mode, mode), mode, HY_MOTION, link=False)
    numbers = sum(tensor.numel() for tensor in part.tensors.values())
    assert numbers == {"full": 1_042_878_811, "lite": 460_851_803}[mode]
    assert 4 * numbers < part.steps()[0].bytes < 4 * numbers + 200_000


@pytest.mark.parametrize(("mode", "other"), [("full", "lite"), ("lite", "full")])
def test_one_mode_given_as_the_other(tmp_path: Path, mode: str, other: str) -> None:
    whole = published(tmp_path / "whole", other, other)
    with pytest.raises(SourceError, match=f"this is {other.title()}, given as {mode.title()}"):
        NetworkPart.check(whole, mode, HY_MOTION, link=False)
    mixed = published(tmp_path / "mixed", mode, other)
    with pytest.raises(WrongWeightsError) as caught:
        NetworkPart.check(mixed, mode, HY_MOTION, link=False)
    error = caught.value
    assert error.cause == f"these are the tensors of {other.title()}, given as {mode.title()}"
    assert error.mend.startswith(f"Give this folder with --{other}")
    assert "of another shape or type (motion_transformer.input_encoder.weight" in str(error)
    assert ("missing" if mode == "full" else "unexpected") in str(error)


def half(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}


def fewer(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(list(tensors.items())[:-1])


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (half, ["bfloat16: a smaller copy", "in float32"]),
        (
            lambda found: {f"module.{name}": tensor for name, tensor in found.items()},
            ["training checkpoint: every name begins with 'module.'"],
        ),
        (
            lambda found: {f"ema.{name}": tensor for name, tensor in found.items()},
            ["every name begins with 'ema.'"],
        ),
        (
            lambda _: {"model.layers.0.mlp.up_proj.weight": torch.ones(2)},
            ["a language model such as Qwen3", "missing (", "unexpected (model.layers.0"],
        ),
        (lambda _: {"conv.weight": torch.ones(2)}, ["another model's file"]),
        (fewer, ["1 missing (", "fetch the file again"]),
    ],
)
def test_tensors_that_differ_are_named_with_the_likely_cause(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], parts: list[str]
) -> None:
    message = refused(model(tmp_path / "m", tensors=change(state())), TensorMismatchError)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            {"state_dict": {"a": torch.ones(1)}, "optimizer": {}, "epoch": 3},
            r"training checkpoint with other keys \(state_dict, optimizer, epoch\)",
        ),
        ({"model_state_dict": {}, "epoch": 3}, "holds no tensors but model_state_dict, epoch"),
        ([torch.ones(1)], "holds a list"),
        ({}, "no tensors but nothing"),
    ],
)
def test_checkpoints_of_another_build(tmp_path: Path, content: object, problem: str) -> None:
    folder = model(tmp_path / "m")
    torch.save(content, folder / "latest.ckpt")
    with pytest.raises(SourceError, match=problem):
        check(folder)


def test_a_pointer_of_git_lfs(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4171000000\n"
    (folder / "latest.ckpt").write_text(pointer)
    assert "Run `git lfs pull`" in refused(folder)
    (folder / "latest.ckpt").rename(folder / "model.safetensors")
    assert "Git LFS pointer" in refused(folder)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_downloads_that_were_cut(tmp_path: Path, keep: float) -> None:
    for name in ("latest.ckpt", "model.safetensors"):
        folder = model(tmp_path / name)
        path = folder / name
        save_file(state(), folder / "model.safetensors")
        for other in {"latest.ckpt", "model.safetensors"} - {name}:
            (folder / other).unlink()
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * keep)])
        message = refused(folder, HymotionError)
        assert "cut short" in message or "it is empty" in message
        if name == "model.safetensors" and keep > 0.1:
            assert f"its header promises {len(whole):,}" in message
    path.write_bytes(whole + b"\n")
    assert "too long" in refused(folder)


def test_a_whole_zip_with_a_hole_in_it(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    path = folder / "latest.ckpt"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))
    importer = Importer(models=tmp_path / "models", release=RELEASE)
    plan = importer.plan(Wanted(full=folder))
    with pytest.raises(SourceError, match=r"data/\d+ does not have the checksum"):
        importer.run(plan)
    assert not (importer.folder / "model.json").exists()


class Evil:
    """Makes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["latest.ckpt", "pytorch_model.bin"])
@pytest.mark.parametrize("form", ["zip", "old zip", "plain"])
@pytest.mark.parametrize("place", ["beside", "among"])
def test_code_in_a_file_is_never_run(tmp_path: Path, form: str, place: str, name: str) -> None:
    mark = tmp_path / "ran"
    tensors: dict[str, object] = dict(state())
    content: dict[str, object] = {"model_state_dict": tensors}
    (content if place == "beside" else tensors)["evil"] = Evil(mark)
    folder = model(tmp_path / "m")
    (folder / "latest.ckpt").unlink()
    if form == "plain":
        (folder / name).write_bytes(pickle.dumps(content))
    else:
        torch.save(content, folder / name, _use_new_zipfile_serialization=form == "zip")
    message = refused(folder, HymotionError)
    assert not mark.exists()
    if form == "zip":
        assert "nothing in it was run" in message
    pickle.loads(pickle.dumps(Evil(mark)))
    assert mark.exists(), "the poison works"


def test_safetensors_under_the_name_of_a_checkpoint_and_the_other_way_round(
    tmp_path: Path,
) -> None:
    folder = model(tmp_path / "m")
    (folder / "latest.ckpt").rename(folder / "weights.safetensors")
    assert "Rename it to latest.ckpt" in refused(folder)
    save_file(state(), folder / "latest.ckpt")
    (folder / "weights.safetensors").unlink()
    assert "safetensors already" in refused(folder)


def test_files_of_something_else(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    shutil.copy(GOLDEN / "mini" / "golden.npz", folder / "latest.ckpt")
    assert "cannot be read" in refused(folder, CheckpointError)
    (folder / "latest.ckpt").write_text("<!DOCTYPE html>\n<html>log in</html>")
    assert "accept the publisher's licence" in refused(folder)
    (folder / "latest.ckpt").rename(folder / "model.safetensors")
    assert "page of the web" in refused(folder)
    head = b'{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}'
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + bytes(8))
    assert "its header cannot be right" in refused(folder)
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 5) + b"{oops")
    assert "no safetensors file" in refused(folder)
    (folder / "model.safetensors").write_bytes(b"short")
    assert "no safetensors file" in refused(folder)


def test_a_model_of_another_size_or_for_another_encoder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"size \(64, 3, 2\), which hy-motion-1.0 has not"):
        NetworkPart.check(model(tmp_path / "m"), "full", HY_MOTION, link=False)
    config = (tmp_path / "m" / "config.yml").read_text()
    (tmp_path / "m" / "config.yml").write_text(
        config.replace("ctxt_input_dim: 48", "ctxt_input_dim: 64")
    )
    assert "text features of widths (64, 24)" in refused(tmp_path / "m", ConfigError)


@pytest.mark.parametrize("std", [-1.0, float("nan")])
def test_statistics_that_cannot_be(tmp_path: Path, std: float) -> None:
    folder = model(tmp_path / "m", tensors=state() | {"std": torch.full((201,), std)})
    importer = Importer(models=tmp_path / "models", release=RELEASE)
    with pytest.raises(CheckpointError, match="mean and std"):
        importer.run(importer.plan(Wanted(full=folder)))
