"""The bundled models: their weights are pinned to their revision."""

import pytest

import hymotion
from hymotion.errors import ConfigError
from hymotion.initialisation import weights_sha256
from hymotion.loading import _bundled_config, seeded
from hymotion.pipeline import Pipeline


@pytest.mark.parametrize("mode", ["full", "lite"])
def test_the_recorded_hash_is_that_of_the_weights(mode: str) -> None:
    """Fails when weights change: then set a new `revision` and the new hash in the config."""
    config, path = _bundled_config("tiny", mode)
    assert weights_sha256(seeded(config)) == config.weights_sha256, path


PINNED = {
    "full": (
        "tiny-full-untrained-1",
        "5364e1bfa7ef33b88fe58164ec7724db8203dd3ccb9b5c4df6eb03b62ae20e3f",
    ),
    "lite": (
        "tiny-lite-untrained-1",
        "2ff300e32ffefe8da2693df800140c74fa887a3214c0778f57314d9688816611",
    ),
}
"""Written down a second time: whoever changes the hash must change the revision too."""


@pytest.mark.parametrize("mode", ["full", "lite"])
def test_a_revision_never_names_other_weights(mode: str) -> None:
    config, _ = _bundled_config("tiny", mode)
    assert (config.revision, config.weights_sha256) == PINNED[mode]


def test_what_they_say_of_themselves(full: Pipeline, lite: Pipeline) -> None:
    for pipeline, mode in ((full, "full"), (lite, "lite")):
        assert (pipeline.model, pipeline.mode) == ("tiny", mode)
        assert pipeline.revision == f"tiny-{mode}-untrained-1"
        assert pipeline.trained is False
        assert pipeline.train_frames == 360
        assert str(pipeline.device) == "cpu"
        assert str(pipeline.dtype) == "torch.float32"
    assert full.config.network.num_layers > lite.config.network.num_layers
    assert full.weight_bytes > 2 * lite.weight_bytes


@pytest.mark.parametrize(("name", "mode"), [("tiny", "medium"), ("huge", "full"), ("..", "full")])
def test_unknown_models_name_the_known(name: str, mode: str) -> None:
    with pytest.raises(ConfigError, match="tiny/full, tiny/lite"):
        hymotion.load_bundled(name, mode)


def test_weights_that_are_not_the_recorded_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hymotion.initialisation.QUIET", 0.6)
    with pytest.raises(ConfigError, match="revision"):
        hymotion.load_bundled()
