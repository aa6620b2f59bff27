"""The bundled models: trained weights, pinned to their revision, small enough to ship."""

import shutil
from pathlib import Path

import pytest
import torch

import hymotion
from hymotion.errors import CheckpointError, ConfigError
from hymotion.loading import model as loading
from hymotion.pipeline import Pipeline
from hymotion.sampling.request import Request

MOST_BYTES = 32_000_000
"""Of both models together."""

PINNED = {
    "full": (
        "tiny-full-2",
        "c83d49ce7526276da223c292ebbd18f742f28da11b5eca49c24faf7396ec2556",
    ),
    "lite": (
        "tiny-lite-2",
        "ad0bc667f4287095828462fef5588d46d76c533ed30e3792afc6736c7dfb6380",
    ),
}
"""Written down a second time: whoever changes the weights must change the revision too."""


@pytest.mark.parametrize("mode", ["full", "lite"])
def test_a_revision_never_names_other_weights(mode: str) -> None:
    folder = loading.bundled_folder("tiny", mode)
    config = hymotion.config.ModelConfig.read(folder / "config.yml")
    assert (config.revision, config.weights_sha256) == PINNED[mode]
    assert config.trained is True


def test_both_together_are_small_and_have_a_card() -> None:
    folders = [loading.bundled_folder("tiny", mode) for mode in ("full", "lite")]
    files = [path for folder in folders for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    for folder in folders:
        card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert "mocap.cs.cmu.edu" in card
        assert "DeepMimic" in card


def test_what_they_say_of_themselves(full: Pipeline, lite: Pipeline) -> None:
    for pipeline, mode in ((full, "full"), (lite, "lite")):
        assert (pipeline.model, pipeline.mode) == ("tiny", mode)
        assert pipeline.revision == PINNED[mode][0]
        assert pipeline.trained is True
        assert pipeline.decoder.plant_feet is True
        assert pipeline.train_frames == 360
        assert str(pipeline.device) == "cpu"
        assert str(pipeline.dtype) == "torch.float32"
    assert full.config.network.num_layers > lite.config.network.num_layers
    assert full.weight_bytes > 1.5 * lite.weight_bytes


@pytest.mark.parametrize(("name", "mode"), [("tiny", "medium"), ("huge", "full"), ("..", "full")])
def test_unknown_models_name_the_known(name: str, mode: str) -> None:
    with pytest.raises(ConfigError, match="tiny/full, tiny/lite"):
        hymotion.load_bundled(name, mode)


def test_weights_that_are_not_the_recorded_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lite"
    shutil.copytree(loading.bundled_folder("tiny", "lite"), folder)
    with (folder / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    monkeypatch.setattr(loading, "bundled_folder", lambda name, mode: folder)
    with pytest.raises(CheckpointError, match="not those that this version came with"):
        hymotion.load_bundled("tiny", "lite")


def test_prompts_decide_what_is_shown(lite: Pipeline) -> None:
    prompts = ["a person runs forward", "a person sits down and stands up"]
    requests = [Request(frames=120, seed=3, prompt=prompt) for prompt in prompts]
    run, sit = lite.sample(requests)
    assert run.trans[-1, 2] - run.trans[0, 2] > 3.0
    assert abs(sit.trans[-1, 2] - sit.trans[0, 2]) < 0.7
    assert sit.trans[:, 1].min() < 0.75 * sit.trans[:, 1].max()


def test_a_request_that_says_nothing_gets_the_models_own_steps_and_guidance(
    lite: Pipeline,
) -> None:
    own = Request(frames=20, seed=1, prompt="jump")
    said = Request(
        frames=20, seed=1, prompt="jump", steps=lite.config.steps, guidance=lite.config.guidance
    )
    other = Request(frames=20, seed=1, prompt="jump", steps=lite.config.steps, guidance=1.0)
    [first], [second], [third] = (lite.sample([request]) for request in (own, said, other))
    assert torch.equal(torch.tensor(first.joints), torch.tensor(second.joints))
    assert not torch.equal(torch.tensor(first.joints), torch.tensor(third.joints))
