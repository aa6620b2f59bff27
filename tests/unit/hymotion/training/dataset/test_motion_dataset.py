"""The dataset, from motions made here to batches: the same bytes, order and texts every time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from hymotion.body.skeleton import PELVIS_HEIGHT
from hymotion.training.build import main, write
from hymotion.training.dataset.frames import canonical, frames_of
from hymotion.training.dataset.holding import Sway
from hymotion.training.dataset.motion_dataset import MotionDataset, collate
from hymotion.training.dataset.sample import Sample, mirror
from hymotion.training.dataset.variation import CHAINS, LONGER, SPEEDS
from hymotion.training.errors import MocapError
from hymotion.training.mocap.archives import read_takes
from hymotion.training.mocap.bvh import axis_turn
from hymotion.training.mocap.clip import Clip
from hymotion.training.phrases.phrases import own_texts


def sample(
    name: str, action: str, *, frames: int = 40, split: str = "train", side: str = ""
) -> Sample:
    moments = torch.arange(frames, dtype=torch.float64)
    # A kick starts and ends standing, the others go on.
    still = action == "kick"
    swing = 0.4 * torch.sin(2 * torch.pi * moments / 20)
    swing = swing * torch.hann_window(frames, periodic=False) ** 2 if still else swing
    rotations = torch.eye(3, dtype=torch.float64).repeat(frames, 22, 1, 1)
    rotations[:, 1], rotations[:, 2] = axis_turn(0, swing), axis_turn(0, -swing)
    trans = torch.stack(
        (0 * moments, PELVIS_HEIGHT + 0 * moments, (1 - still) * 0.03 * moments), dim=1
    )
    shows = ((action, {"side": side} if side else {}),)
    return Sample(Clip(name, "test", name, rotations, trans, action), shows, split)


def sway() -> Sway:
    moments = torch.arange(30, dtype=torch.float64)
    rotations = torch.eye(3, dtype=torch.float64).repeat(30, 22, 1, 1)
    rotations[:, 16] = axis_turn(2, 0.01 * torch.sin(moments / 5))
    return Sway.of(Clip("sway", "test", "sway", rotations, torch.zeros(30, 3).double()))


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [
        sample("one", "jumping_jacks", frames=50),
        sample("two", "kick", side="left"),
        sample("three", "backflip", split="held"),
        sample("four", "walk", split="held", frames=90),
    ]


@pytest.fixture(scope="module")
def folder(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dataset")
    write(samples, out, sway=sway(), pairs=10, seed=4)
    return out


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_same_samples_give_the_same_bytes(
    samples: list[Sample], folder: Path, tmp_path: Path, jobs: int
) -> None:
    write(samples, tmp_path, sway=sway(), pairs=10, seed=4, jobs=jobs)
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) > 20
    for path in files:
        assert (folder / path).read_bytes() == (tmp_path / path).read_bytes(), path


def test_training_is_varied_and_held_out_is_not(folder: Path, samples: list[Sample]) -> None:
    rows = json.loads((folder / "manifest.json").read_text())["motions"]
    assert len({row["file"] for row in rows}) == len(rows)
    train = [row for row in rows if row["split"] == "train"]
    held = [row for row in rows if row["split"] == "held"]
    single = [row for row in train if len(row["actions"]) == 1]
    # Both sides at all speeds, chains of the jumping jacks, and longer kicks.
    jacks = [row for row in single if row["actions"] == ["jumping_jacks"]]
    kicks = [row for row in single if row["actions"] == ["kick"]]
    assert len(jacks) == 2 * len(SPEEDS) + 2 * len(CHAINS)
    assert len(kicks) == 2 * len(SPEEDS) + LONGER
    assert {row["frames"] for row in jacks} >= set(CHAINS)
    assert len({row["frames"] for row in kicks}) > 30
    assert 5 < len(train) - len(single) <= 10
    assert all(row["actions"][0] in {"backflip", "walk"} for row in held)
    whole = {row["file"]: row["frames"] for row in held if len(row["actions"]) == 1}
    assert whole == {"motions/three.npz": 40, "motions/four.npz": 90}
    for held_sample in samples[2:]:
        with np.load(folder / f"motions/{held_sample.clip.name}.npz") as file:
            expected = frames_of(canonical(held_sample.clip)).numpy()
            assert np.array_equal(file["frames"], expected)
    assert all(20 <= row["frames"] <= 360 for row in rows)


def test_statistics_are_those_of_the_training_frames(folder: Path) -> None:
    dataset = MotionDataset(folder)
    frames = torch.cat([dataset.frames(index) for index in range(len(dataset))]).double()
    assert torch.allclose(dataset.mean.double(), frames.mean(0), atol=1e-5)
    assert torch.allclose(dataset.std.double(), frames.std(0, correction=0), atol=1e-5)


def test_every_motion_starts_over_the_origin(folder: Path) -> None:
    dataset = MotionDataset(folder)
    for index in range(len(dataset)):
        assert dataset.frames(index)[0, [0, 2]].abs().max() < 1e-6


def test_texts_follow_the_mirror_the_split_and_the_epoch(folder: Path) -> None:
    dataset = MotionDataset(folder)
    kicks = [at for at, row in enumerate(dataset.rows) if row["actions"] == ["kick"]]
    for index in kicks:
        side = dataset.rows[index]["attributes"][0]["side"]
        other = {"left": "right", "right": "left"}[side]
        assert other not in dataset.text(index, epoch=0).lower()
    texts = [dataset.text(kicks[0], epoch=epoch) for epoch in range(20)]
    assert len(set(texts)) > 15
    assert texts == [MotionDataset(folder).text(kicks[0], epoch=epoch) for epoch in range(20)]
    assert mirror(sample("x", "kick", side="left")).shows[0][1] == {"side": "right"}
    held = MotionDataset(folder, split="held")
    known = own_texts().of(*_shown(held, 0), "held")
    assert {held.text(0, epoch=epoch) for epoch in range(20)} <= set(known)


def _shown(dataset: MotionDataset, index: int) -> tuple[str, dict[str, str]]:
    row = dataset.rows[index]
    return row["actions"][0], row["attributes"][0]


def test_the_command_names_what_the_data_folder_lacks(tmp_path: Path) -> None:
    with pytest.raises(MocapError, match="cmu"):
        main([str(tmp_path), str(tmp_path / "out"), "--jobs", "2"])


def test_a_loader_gives_padded_batches_the_same_for_the_same_seed(folder: Path) -> None:
    def batches(epoch: int) -> list[tuple[Tensor, Tensor, tuple[str, ...]]]:
        dataset = MotionDataset(folder, seed=3)
        dataset.epoch = epoch
        order = torch.Generator().manual_seed(epoch)
        loader: DataLoader[Any] = DataLoader(
            dataset, batch_size=2, shuffle=True, generator=order, collate_fn=collate
        )
        return list(loader)

    first = batches(0)
    for frames, lengths, texts in first:
        assert frames.shape[:2] == (len(texts), int(lengths.max()))
        for row, length in zip(frames, lengths, strict=True):
            assert row[: int(length)].any(dim=1).all()
            assert not row[int(length) :].any()
    again = batches(0)
    assert all(torch.equal(one[0], two[0]) for one, two in zip(first, again, strict=True))
    assert [each[2] for each in first] == [each[2] for each in again]
    assert {text for each in first for text in each[2]} != {
        text for each in batches(1) for text in each[2]
    }


def test_a_folder_that_is_no_dataset_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MocapError, match="no dataset"):
        MotionDataset(tmp_path)
    with pytest.raises(MocapError, match="no split"):
        MotionDataset(folder, split="test")


def test_a_folder_without_archives_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MocapError, match=r"cmu\.tar\.xz"):
        read_takes(tmp_path, {"07_01"})
