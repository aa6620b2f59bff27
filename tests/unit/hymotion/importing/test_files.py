"""Which files of what the user gave are meant."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hymotion.importing.errors import SourceError
from hymotion.importing.files import model_files
from hymotion.importing.snapshot import promised_sha256, snapshot
from hymotion.importing.tensors import open_weights
from tests.unit.hymotion.importing.sources import hub, model, state


def test_a_plain_folder(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    found = model_files(folder, subfolder="HY-Motion-1.0")
    assert (found.config, found.weights) == (folder / "config.yml", folder / "latest.ckpt")
    assert (found.source.repository, found.source.revision) == (None, None)
    assert model_files(folder / "latest.ckpt", subfolder="x") == found


def test_a_repository_with_a_folder_for_each_mode(tmp_path: Path) -> None:
    for name in ("HY-Motion-1.0", "HY-Motion-1.0-Lite"):
        model(tmp_path / "repository" / name)
        found = model_files(tmp_path / "repository", subfolder=name)
        assert found.weights == tmp_path / "repository" / name / "latest.ckpt"


@pytest.mark.parametrize("inner", [".", "snapshots/0a1b2c", "snapshots/0a1b2c/HY-Motion-1.0"])
def test_the_hubs_cache(tmp_path: Path, inner: str) -> None:
    model(tmp_path / "repository" / "HY-Motion-1.0")
    cached = hub(tmp_path / "hub", "tencent/HY-Motion-1.0", tmp_path / "repository")
    found = model_files(cached / inner, subfolder="HY-Motion-1.0")
    assert found.weights == cached / "snapshots/0a1b2c/HY-Motion-1.0/latest.ckpt"
    assert (found.source.repository, found.source.revision) == ("tencent/HY-Motion-1.0", "0a1b2c")
    promised = promised_sha256(found.weights)
    assert promised is not None
    assert promised == found.weights.resolve().name
    assert promised_sha256(tmp_path / "repository" / "HY-Motion-1.0" / "latest.ckpt") is None


def test_several_snapshots(tmp_path: Path) -> None:
    model(tmp_path / "m")
    cached = hub(tmp_path / "hub", "a/b", tmp_path / "m", revision="r1")
    shutil.copytree(cached / "snapshots" / "r1", cached / "snapshots" / "r2", symlinks=True)
    assert snapshot(cached).revision == "r1"
    (cached / "refs" / "main").write_text("r2\n")
    assert snapshot(cached).revision == "r2"
    shutil.rmtree(cached / "refs")
    with pytest.raises(SourceError, match=r"2 snapshots \(r1, r2\).*Name one"):
        snapshot(cached)
    shutil.rmtree(cached / "snapshots" / "r1")
    assert snapshot(cached).revision == "r2"
    shutil.rmtree(cached / "snapshots" / "r2")
    with pytest.raises(SourceError, match="no snapshot"):
        snapshot(cached)


def test_a_snapshot_whose_blob_is_gone(tmp_path: Path) -> None:
    model(tmp_path / "m")
    cached = hub(tmp_path / "hub", "a/b", tmp_path / "m")
    found = model_files(cached, subfolder="x")
    found.weights.resolve().unlink()
    again = model_files(cached, subfolder="x")
    with pytest.raises(SourceError, match="a link to nothing"):
        open_weights(again.weights)


@pytest.mark.parametrize("name", ["latest.ckpt", "pytorch_model.bin", "some.pt", "own.ckpt"])
@pytest.mark.parametrize("plain", [True, False])
def test_checkpoints_and_state_dicts_of_any_name(tmp_path: Path, name: str, plain: bool) -> None:
    folder = model(tmp_path / "m")
    (folder / "latest.ckpt").unlink()
    torch.save(state() if plain else {"model_state_dict": state(), "epoch": 2}, folder / name)
    weights = open_weights(model_files(folder, subfolder="x").weights)
    assert weights.path == folder / name
    assert weights.values.keys() == state().keys()


def test_safetensors_in_one_file_and_in_several(tmp_path: Path) -> None:
    folder = model(tmp_path / "m")
    (folder / "latest.ckpt").unlink()
    save_file(state(), folder / "whatever.safetensors")
    weights = open_weights(model_files(folder, subfolder="x").weights)
    assert weights.files == (folder / "whatever.safetensors",)
    names = list(state())
    (folder / "whatever.safetensors").unlink()
    save_file({name: state()[name] for name in names[:5]}, folder / "model-1.safetensors")
    save_file({name: state()[name] for name in names[5:]}, folder / "model-2.safetensors")
    with pytest.raises(SourceError, match=r"several weight files \(model-1"):
        model_files(folder, subfolder="x")
    index = {name: f"model-{1 if name in names[:5] else 2}.safetensors" for name in names}
    path = folder / "model.safetensors.index.json"
    path.write_text(f'{{"weight_map": {index!r}}}'.replace("'", '"'))
    weights = open_weights(model_files(folder, subfolder="x").weights)
    assert weights.values.keys() == state().keys()
    assert len(weights.files) == 2
    for text in ('{"weight_map": {"a": "../a.safetensors"}}', "[]", "{", '{"weight_map": {}}'):
        path.write_text(text)
        with pytest.raises(SourceError):
            open_weights(path)


@pytest.mark.parametrize(
    ("gone", "problem"),
    [("config.yml", r"no config\.yml"), ("latest.ckpt", "no weights.*never used in its place")],
)
def test_what_is_missing_is_named(tmp_path: Path, gone: str, problem: str) -> None:
    folder = model(tmp_path / "m")
    (folder / gone).unlink()
    with pytest.raises(SourceError, match=problem):
        model_files(folder, subfolder="x")
    with pytest.raises(SourceError, match="does not exist"):
        model_files(tmp_path / "nowhere", subfolder="x")
