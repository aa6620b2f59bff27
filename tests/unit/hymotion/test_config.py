"""config.yml: what is read, and what is refused with the key in the message."""

from pathlib import Path

import pytest
import yaml

from hymotion.config import ModelConfig
from hymotion.errors import ConfigError


def test_reads_the_published_format(golden_folder: Path) -> None:
    config = ModelConfig.read(golden_folder / "config.yml")
    network = config.network
    assert (network.feat_dim, network.num_layers, network.num_heads) == (64, 3, 2)
    assert (network.double_blocks, network.single_blocks, network.head_dim) == (1, 2, 32)
    assert (network.train_frames, network.narrowband) == (120, 60)
    assert (config.text_encoder, config.max_text_tokens, config.null_ctxt) == ("qwen3", 128, True)
    assert config.trained is None
    assert (config.prediction, config.plant_feet) == ("velocity", False)


@pytest.mark.parametrize(("key", "value"), [("prediction", "noise"), ("plant_feet", "often")])
def test_refuses_keys_at_the_top(golden_folder: Path, key: str, value: str) -> None:
    text = (golden_folder / "config.yml").read_text()
    with pytest.raises(ConfigError, match=f"{key}.*{value}"):
        ModelConfig.parse(f"{key}: {value}\n{text}")


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("network_module_args", "mask_mode", "causal"),
        ("network_module_args", "apply_rope_to_single_branch", True),
        ("network_module_args", "num_layers", 4),
        ("network_module_args", "num_layers", "27"),
        ("network_module_args", "num_heads", 5),
        ("network_module_args", "num_heads", True),
        ("network_module_args", "feat_dim", 0),
        ("network_module_args", "input_dim", 272),
        ("network_module_args", "time_factor", -1.0),
        ("network_module_args", "time_factor", float("nan")),
        ("network_module_args", "long_skip", True),
        ("train_pipeline_args", "train_frames", 10),
        ("train_pipeline_args", "output_mesh_fps", 60),
        ("train_pipeline_args", "enable_ctxt_null_feat", "yes"),
        ("train_pipeline_args", "text_encoder_cfg", ["qwen3"]),
    ],
)
def test_refuses_by_key(golden_folder: Path, section: str, key: str, value: object) -> None:
    loaded = yaml.safe_load((golden_folder / "config.yml").read_text())
    loaded[section][key] = value
    with pytest.raises(ConfigError, match=key) as caught:
        ModelConfig.parse(yaml.safe_dump(loaded))
    assert caught.value.key == f"{section}.{key}"
    assert caught.value.mend in str(caught.value)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("network_module_args", "feat_dim"),
        ("network_module_args", "mask_mode"),
        ("train_pipeline_args", "train_frames"),
        ("train_pipeline_args", "text_encoder_cfg"),
    ],
)
def test_a_missing_key_is_named(golden_folder: Path, section: str, key: str) -> None:
    loaded = yaml.safe_load((golden_folder / "config.yml").read_text())
    del loaded[section][key]
    with pytest.raises(ConfigError, match=f"{section}.{key} is missing"):
        ModelConfig.parse(yaml.safe_dump(loaded))


@pytest.mark.parametrize(
    "text",
    ["", "- a\n- b", "network_module_args: [", "network_module_args: 3", "\0"],
)
def test_what_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        ModelConfig.parse(text)


def test_code_in_a_config_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    with pytest.raises(ConfigError, match="cannot be read"):
        ModelConfig.parse(f"a: !!python/object/apply:os.mkdir ['{mark}']")
    assert not mark.exists()


def test_a_missing_file_and_a_binary_one(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    with pytest.raises(ConfigError, match="missing") as caught:
        ModelConfig.read(path)
    assert caught.value.path == path
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        ModelConfig.read(path)
