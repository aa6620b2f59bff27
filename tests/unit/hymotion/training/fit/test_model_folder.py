"""A trained model on disk: what load() reads is what was trained."""

from pathlib import Path

import pytest
import torch

import hymotion
from hymotion.conditioning import TextBatch
from hymotion.config import ModelConfig
from hymotion.errors import CheckpointError, TensorMismatchError
from hymotion.loading.safetensors_file import file_sha256, read_weights
from hymotion.training.errors import TrainingError
from hymotion.training.fit.learner import Learner
from hymotion.training.fit.model_folder import read_model, write_model
from tests.unit.hymotion.training.learning import VOCABULARY, config_text, corpus, learner

KNOWN = corpus()


def written(folder: Path, *, half: bool = False) -> Learner:
    taught = learner(KNOWN)
    with torch.no_grad():
        for parameter in taught.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    write_model(folder, taught.state_dict(), config=config_text(), vocabulary=VOCABULARY, half=half)
    return taught


def test_the_loaded_model_gives_the_learners_velocity(tmp_path: Path) -> None:
    taught = written(tmp_path)
    pipeline = hymotion.load(tmp_path)
    text = pipeline.encode(["a person sways left"])
    x, t = torch.randn(1, 20, 201), torch.tensor([0.3])
    batch, frames = TextBatch.of(text), torch.tensor([20])
    with torch.no_grad():
        context = taught.flow.prepare(batch, frames, length=20)
        wanted = taught.flow.velocity(x, t, context)
    assert torch.allclose(pipeline.velocity(x, t, batch, frames), wanted, atol=1e-5)
    config = ModelConfig.read(tmp_path / "config.yml")
    digest = file_sha256(tmp_path / "weights.safetensors")
    # Other weights than the bundled ones, so another revision too.
    assert (config.weights_sha256, config.revision) == (digest, f"st-{digest[:12]}")


def test_half_precision_on_disk_keeps_the_statistics_whole(tmp_path: Path) -> None:
    taught = written(tmp_path, half=True)
    pipeline = hymotion.load(tmp_path)
    assert torch.equal(pipeline.decoder.mean, taught.flow.mean)
    assert torch.equal(pipeline.decoder.std, taught.flow.std)


def test_a_missing_vocabulary_is_named(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "vocabulary.txt").unlink()
    with pytest.raises(CheckpointError, match="words that the model knows"):
        hymotion.load(tmp_path)


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "vocabulary.txt").write_text("one\ntwo\n")
    with pytest.raises(TensorMismatchError, match=r"words\.weight"):
        hymotion.load(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "noise", "pointer"])
def test_damaged_weights_are_named(tmp_path: Path, damage: str) -> None:
    written(tmp_path)
    path = tmp_path / "weights.safetensors"
    whole = path.read_bytes()
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    path.write_bytes({"cut": whole[:5000], "noise": b"\xff" * 500, "pointer": pointer}[damage])
    expected = "LFS pointer" if damage == "pointer" else "cannot be read"
    with pytest.raises(CheckpointError, match=expected):
        read_weights(path, {})


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    taught = learner(KNOWN)
    with torch.no_grad():
        taught.flow.motion_transformer.input_encoder.weight[0, 0] = 1e6
    with pytest.raises(CheckpointError, match=r"not finite in torch\.float16"):
        write_model(tmp_path, taught.state_dict(), config=config_text(), vocabulary=VOCABULARY)


def test_a_learner_goes_on_from_a_model(tmp_path: Path) -> None:
    taught = written(tmp_path)
    fresh = learner(KNOWN)
    fresh.flow.mean.add_(1.0)
    read_model(tmp_path, fresh, VOCABULARY)
    for name, value in taught.state_dict().items():
        if name != "flow.mean":
            assert torch.equal(fresh.state_dict()[name], value), name
    assert torch.equal(fresh.flow.mean, taught.flow.mean + 1.0)
    with pytest.raises(TrainingError, match="knows 8 words, the phrases have 2"):
        read_model(tmp_path, fresh, ("one", "two"))
