"""The npz format: upstream's keys, no pickle, the same bytes for the same motion."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import torch

import hymotion
from hymotion.body.rotation import matrix_from_axis_angle, rot6d_from_matrix
from hymotion.errors import ExportError
from hymotion.export import FORMATS, write_npz


@pytest.fixture(scope="module")
def motion(lite) -> hymotion.Motion:  # type: ignore[no-untyped-def]
    return lite.sample([hymotion.Request(frames=25, seed=1, prompt="walk", steps=3)])[0]


def written(motion: hymotion.Motion, **metadata: str | float) -> bytes:
    buffer = io.BytesIO()
    write_npz(motion, buffer, metadata=metadata)
    return buffer.getvalue()


def test_upstream_s_keys(motion: hymotion.Motion) -> None:
    file = np.load(io.BytesIO(written(motion)), allow_pickle=False)
    shapes = {key: file[key].shape for key in file.files}
    assert shapes == {
        "poses": (25, 156),
        "trans": (25, 3),
        "betas": (1, 16),
        "gender": (),
        "Rh": (25, 3),
        "joints": (25, 22, 3),
        "rot6d": (25, 22, 6),
        "fps": (),
    }
    assert file["gender"] == "neutral"
    assert file["fps"] == 30
    assert not file["betas"].any()
    assert not file["poses"][:, 66:].any()
    assert np.array_equal(file["poses"][:, :3], file["Rh"])
    assert np.array_equal(file["trans"], motion.trans)
    assert np.array_equal(file["joints"], motion.joints)
    body = torch.from_numpy(file["poses"][:, :66]).double().reshape(25, 22, 3)
    again = rot6d_from_matrix(matrix_from_axis_angle(body)).numpy()
    assert np.abs(again - motion.rot6d).max() < 1e-5


def test_metadata_comes_back(motion: hymotion.Motion) -> None:
    metadata = {"prompt": "走る\n👋", "seed": 2**63 - 1, "guidance": 2.5, "empty": ""}
    file = np.load(io.BytesIO(written(motion, **metadata)), allow_pickle=False)
    assert {key: file[key].item() for key in metadata} == metadata


def test_same_motion_same_bytes(motion: hymotion.Motion) -> None:
    first = written(motion, seed=1, prompt="a")
    second = written(motion, prompt="a", seed=1)
    assert hashlib.sha256(first).digest() == hashlib.sha256(second).digest()
    assert written(motion, prompt="b", seed=1) != first


@pytest.mark.parametrize("key", ["poses", "fps", "../x", "", "a b"])
def test_keys_that_cannot_be(motion: hymotion.Motion, key: str) -> None:
    with pytest.raises(ExportError, match="key"):
        write_npz(motion, io.BytesIO(), metadata={key: 1})


@pytest.mark.parametrize("value", [None, True, [1], 2**63, b"x"])
def test_values_that_cannot_be(motion: hymotion.Motion, value: object) -> None:
    with pytest.raises(ExportError, match="metadata x"):
        write_npz(motion, io.BytesIO(), metadata={"x": value})  # type: ignore[dict-item]


def test_formats_write_files(motion: hymotion.Motion, tmp_path: Path) -> None:
    for name, form in FORMATS.items():
        assert form.extension == f".{name}"
        path = tmp_path / f"motion{form.extension}"
        form.write(motion, path, {"prompt": "walk"})
        assert path.stat().st_size > 1000
    assert (tmp_path / "motion.npz").read_bytes() == written(motion, prompt="walk")
