"""The small random network must give what the published code gave."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hymotion.config import ModelConfig
from hymotion.conformance import check as conformance
from hymotion.conformance.golden import Golden
from hymotion.errors import GoldenError
from hymotion.network.flow import FlowModel

HERE = Path(__file__).parent
MINI = HERE / "mini"
QUANTITIES = {
    "velocity": 2e-6,
    "noise_first_frame": 0.0,
    "latent": 2e-6,
    "rot6d": 1e-4,
    "transl": 1e-4,
    "keypoints3d": 1e-4,
    "root_rotmat": 1e-4,
}
"""What is compared, and how close it must come. The first three are far inside the promised 1e-4,
so a slip that the promise would let pass (a norm's eps, a cast) still shows."""

NETWORK_ARGS = """
network_module_args: {{apply_rope_to_single_branch: false, ctxt_input_dim: 4096, dropout: 0.0,
  feat_dim: {dim}, input_dim: 201, mask_mode: narrowband, mlp_ratio: 4.0, num_heads: {heads},
  num_layers: {layers}, time_factor: 1000.0, vtxt_input_dim: 768}}
train_pipeline_args: {{enable_ctxt_null_feat: true, output_mesh_fps: 30, train_frames: 360,
  infer_noise_scheduler_cfg: {{validation_steps: 50}}, test_cfg: {{text_guidance_scale: 5.0}},
  text_encoder_cfg: {{llm_type: qwen3, max_length_llm: 128}}}}
"""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    # The tensors are small, and threads that wait for a busy core cost more than they bring.
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    return conformance.conformance(MINI)


@pytest.mark.parametrize("padding", ["untrimmed", "trimmed"])
@pytest.mark.parametrize(("quantity", "tolerance"), QUANTITIES.items())
def test_agrees_with_the_published_code(
    report: dict[str, object], padding: str, quantity: str, tolerance: float
) -> None:
    errors = report[padding]
    assert isinstance(errors, dict)
    assert errors[quantity] <= tolerance


def test_the_report_covers_all_quantities(report: dict[str, object]) -> None:
    for padding in ("untrimmed", "trimmed"):
        errors = report[padding]
        assert isinstance(errors, dict)
        assert errors.keys() == QUANTITIES.keys()
    assert report["passed"] is True


@pytest.mark.parametrize(
    ("name", "dim", "layers", "heads", "numbers"),
    [("full", 1280, 27, 20, 1_042_878_811), ("lite", 1024, 18, 16, 460_851_803)],
)
def test_names_and_shapes_of_the_released_checkpoints(
    name: str, dim: int, layers: int, heads: int, numbers: int
) -> None:
    lines = (HERE / f"state_dict_{name}.tsv").read_text().splitlines()[1:]
    config = ModelConfig.parse(NETWORK_ARGS.format(dim=dim, layers=layers, heads=heads))
    with torch.device("meta"):
        state = FlowModel(config).state_dict()
    ours = {key: "x".join(map(str, tensor.shape)) for key, tensor in state.items()}
    assert ours == dict(line.split("\t") for line in lines)
    assert sum(tensor.numel() for tensor in state.values()) == numbers


def test_command_prints_one_json_object() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hymotion.conformance", str(MINI)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] is True


def change_weights(folder: Path) -> None:
    path = folder / "latest.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["model_state_dict"]["null_vtxt_feat"].mul_(1.1)
    torch.save(checkpoint, path)


def test_exit_1_above_the_tolerance(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change_weights(copy)
    assert conformance.main([str(copy)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    # The null features take part in guidance alone, so one call of the network still agrees.
    assert report["trimmed"]["velocity"] < 1e-4 < report["trimmed"]["latent"]


def drop(key: str) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.__delitem__(key)


def replace(key: str, value: object) -> Callable[[dict[str, np.ndarray]], None]:
    return lambda arrays: arrays.update({key: np.array(value)})


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (drop("case1.t"), "case1.t is missing"),
        (replace("case0.velocity", np.zeros((2, 3, 201))), "case0.velocity"),
        (replace("case0.seeds", ["a", "b"]), "case0.seeds"),
        (replace("frames", [40, 400]), "frames"),
        (replace("parents", [5] * 52), "parents"),
        (replace("case0.ctxt_length", [0, 4]), "length"),
        (replace("steps", 0), "steps"),
    ],
)
def test_exit_2_for_unusable_arrays(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[dict[str, np.ndarray]], None],
    word: str,
) -> None:
    with np.load(copy / "golden.npz") as file:
        arrays = dict(file)
    change(arrays)
    np.savez(copy / "golden.npz", **arrays)
    assert conformance.main([str(copy)]) == 2
    printed = capsys.readouterr()
    assert word in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("file", ["config.yml", "latest.ckpt", "golden.npz"])
def test_exit_2_for_a_missing_file(
    copy: Path, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    (copy / file).unlink()
    assert conformance.main([str(copy)]) == 2
    assert file in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut short"])
def test_a_damaged_npz_is_named(copy: Path, content: bytes) -> None:
    (copy / "golden.npz").write_bytes(content)
    with pytest.raises(GoldenError, match=r"golden\.npz is not a zip"):
        Golden.read(copy, train_frames=120)


def test_a_bare_array_is_no_golden(copy: Path) -> None:
    with (copy / "golden.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(GoldenError):
        Golden.read(copy, train_frames=120)


def test_errors_that_are_not_finite_fail() -> None:
    bad = torch.tensor([1.0, float("nan")])
    assert conformance.relative_error(bad, torch.ones(2)) == float("inf")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MINI, tmp_path / "mini"))
