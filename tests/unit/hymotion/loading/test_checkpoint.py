"""Checkpoints: strict, and nothing in them is run."""

import os
import pickle
import shutil
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hymotion
from hymotion.errors import CheckpointError, TensorMismatchError

Checkpoint = dict[str, dict[str, Tensor]]


@pytest.fixture
def folder(golden_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(golden_folder, tmp_path / "model"))


def rewrite(folder: Path, **changes: Tensor | None) -> None:
    """Save the checkpoint again with tensors replaced, added, or (None) taken out."""
    path = folder / "latest.ckpt"
    checkpoint: Checkpoint = torch.load(path, weights_only=True)
    for name, tensor in changes.items():
        if tensor is None:
            del checkpoint["model_state_dict"][name]
        else:
            checkpoint["model_state_dict"][name] = tensor
    torch.save(checkpoint, path)


def test_a_sound_folder_says_what_it_is(folder: Path) -> None:
    pipeline = hymotion.load(folder)
    assert (pipeline.model, pipeline.mode, pipeline.trained) == ("model", "custom", True)
    assert pipeline.train_frames == 120
    state = torch.load(folder / "latest.ckpt", weights_only=True)["model_state_dict"]
    assert pipeline.weight_bytes == sum(tensor.nbytes for tensor in state.values())


def test_the_revision_follows_the_weights_and_not_the_file(folder: Path) -> None:
    first = hymotion.load(folder).revision
    rewrite(folder)
    assert hymotion.load(folder).revision == hymotion.load(folder).revision
    same = hymotion.load(folder).revision
    rewrite(folder, mean=torch.ones(201))
    assert hymotion.load(folder).revision not in {first, same}


def test_the_config_may_name_the_model(folder: Path) -> None:
    with (folder / "config.yml").open("a") as file:
        file.write("model: walker\nmode: lite\nrevision: r7\ntrained: false\n")
    pipeline = hymotion.load(folder)
    named = (pipeline.model, pipeline.mode, pipeline.revision, pipeline.trained)
    assert named == ("walker", "lite", "r7", False)


@pytest.mark.parametrize("kind", ["deflated", "overlapping"])
def test_a_checkpoint_is_no_larger_than_its_file(folder: Path, kind: str) -> None:
    """A file of kilobytes could otherwise take gigabytes of memory."""
    path = folder / "latest.ckpt"
    with zipfile.ZipFile(path) as archive:
        content = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    packing = zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
        if kind == "overlapping":
            archive.filelist *= 2
    with pytest.raises(CheckpointError, match=r"is compressed|larger than the file"):
        hymotion.load(folder)


def test_missing_weights_are_an_error_not_random(folder: Path) -> None:
    (folder / "latest.ckpt").unlink()
    with pytest.raises(CheckpointError, match="missing") as caught:
        hymotion.load(folder)
    assert caught.value.path == folder / "latest.ckpt"


def test_an_lfs_pointer_names_git_lfs_pull(folder: Path) -> None:
    (folder / "latest.ckpt").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4171000000\n"
    )
    with pytest.raises(CheckpointError, match="git lfs pull"):
        hymotion.load(folder)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.999])
def test_a_file_cut_short(folder: Path, keep: float) -> None:
    path = folder / "latest.ckpt"
    os.truncate(path, int(path.stat().st_size * keep))
    with pytest.raises(CheckpointError, match=r"cut short.*Fetch the file again"):
        hymotion.load(folder)


class Evil:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("form", ["zip", "old zip", "plain"])
def test_code_in_a_checkpoint_is_not_run(folder: Path, tmp_path: Path, form: str) -> None:
    mark = tmp_path / "ran"
    path = folder / "latest.ckpt"
    if form == "plain":
        path.write_bytes(pickle.dumps({"model_state_dict": Evil(mark)}))
    else:
        torch.save(
            {"model_state_dict": Evil(mark)},
            path,
            _use_new_zipfile_serialization=form == "zip",
        )
    with pytest.raises(CheckpointError):
        hymotion.load(folder)
    assert not mark.exists()


def test_objects_besides_tensors_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    torch.save({"model_state_dict": Evil(tmp_path / "ran")}, folder / "latest.ckpt")
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        hymotion.load(folder)


@pytest.mark.parametrize("content", [[], {"state_dict": {}}, {"model_state_dict": [1]}])
def test_a_checkpoint_of_something_else(folder: Path, content: object) -> None:
    torch.save(content, folder / "latest.ckpt")
    with pytest.raises(CheckpointError, match="no model_state_dict"):
        hymotion.load(folder)


def test_a_zip_of_something_else(folder: Path) -> None:
    shutil.copy(folder / "golden.npz", folder / "latest.ckpt")
    with pytest.raises(CheckpointError, match="cannot be read"):
        hymotion.load(folder)


def test_differing_tensors_are_named(folder: Path) -> None:
    rewrite(
        folder,
        null_vtxt_feat=None,
        extra=torch.ones(1),
        mean=torch.ones(272),
        std=torch.ones(201, dtype=torch.float64),
    )
    with pytest.raises(TensorMismatchError) as caught:
        hymotion.load(folder)
    error = caught.value
    assert error.missing == ("null_vtxt_feat",)
    assert error.unexpected == ("extra",)
    assert error.mismatched == (
        "mean: file has 272 float32, network has 201 float32",
        "std: file has 201 float64, network has 201 float32",
    )
    for part in (str(folder), "null_vtxt_feat", "extra", "272", "Use the config.yml"):
        assert part in str(error)


def test_a_value_that_is_no_tensor(folder: Path) -> None:
    path = folder / "latest.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["model_state_dict"]["mean"] = 3
    torch.save(checkpoint, path)
    with pytest.raises(TensorMismatchError, match="mean: file has int"):
        hymotion.load(folder)


@pytest.mark.parametrize("std", [-1.0, float("nan"), float("inf")])
def test_statistics_that_cannot_be(folder: Path, std: float) -> None:
    rewrite(folder, std=torch.full((201,), std))
    with pytest.raises(CheckpointError, match="mean and std"):
        hymotion.load(folder)


def test_loading_leaves_the_file_alone(folder: Path) -> None:
    before = (folder / "latest.ckpt").read_bytes()
    pipeline = hymotion.load(folder)
    pipeline._flow.mean.add_(1.0)
    assert (folder / "latest.ckpt").read_bytes() == before
