"""Folders of the two text models: the right one, with all of its files, whole."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hymotion.importing.errors import SourceError
from hymotion.importing.textfiles import clip, qwen, text_files
from tests.unit.hymotion.importing.sources import clip_model, hub, language_model

SHARD = "model-00002-of-00002.safetensors"


def test_what_counts_is_found(tmp_path: Path) -> None:
    found = text_files(language_model(tmp_path / "q"), qwen(48))
    assert list(found.files) == [
        "config.json",
        "model-00001-of-00002.safetensors",
        SHARD,
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert found.bytes == sum(path.stat().st_size for path in found.files.values())
    found = text_files(clip_model(tmp_path / "c"), clip(24))
    assert list(found.files) == ["config.json", "merges.txt", "model.safetensors", "vocab.json"]


def test_the_hubs_cache(tmp_path: Path) -> None:
    cached = hub(tmp_path / "hub", "Qwen/Qwen3-8B", language_model(tmp_path / "q"))
    found = text_files(cached, qwen(48))
    assert (found.source.repository, found.source.revision) == ("Qwen/Qwen3-8B", "0a1b2c")
    assert len(found.files) == 6


@pytest.mark.parametrize("model_type", ["clip", "clip_text_model"])
def test_forms_of_clips_configuration(tmp_path: Path, model_type: str) -> None:
    folder = clip_model(tmp_path / "c")
    forms = {
        "clip": {"text_config": None, "text_config_dict": {"hidden_size": 24}},
        "clip_text_model": {"hidden_size": 24},
    }
    config = {"model_type": model_type, **forms[model_type]}
    (folder / "config.json").write_text(json.dumps(config))
    assert text_files(folder, clip(24)).kind.name == "clip"


def delete(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def write(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def cut(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-1])


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (delete("config.json"), "config.json: it is missing"),
        (write("config.json", "{"), "does not describe Qwen3-8B"),
        (write("config.json", '{"model_type": "qwen3"}'), "does not describe"),
        (
            write("config.json", '{"model_type": "qwen2", "hidden_size": 48}'),
            "describes qwen2 of width 48, not Qwen3-8B.*--qwen",
        ),
        (write("config.json", '{"model_type": "qwen3", "hidden_size": 8}'), "of width 8"),
        (delete("tokenizer.json"), "tokenizer is missing"),
        (write("tokenizer.json", LFS), "tokenizer.json: it is a Git LFS pointer"),
        (write("tokenizer.json", ""), "it is empty"),
        (delete(SHARD), f"1 of 2 weight files are missing .{SHARD}"),
        (write(SHARD, LFS), "Git LFS pointer"),
        (cut(SHARD), "cut short"),
        (delete("model.safetensors.index.json"), "Download Qwen3-8B in safetensors"),
        (
            write(
                "model.safetensors.index.json",
                json.dumps({"weight_map": {"a": SHARD, "model.layers.2.weight": SHARD}}),
            ),
            r"lack tensors that the index names \(a\)",
        ),
    ],
)
def test_each_fault_is_named(tmp_path: Path, harm: Callable[[Path], object], problem: str) -> None:
    folder = language_model(tmp_path / "q")
    harm(folder)
    with pytest.raises(SourceError, match=problem):
        text_files(folder, qwen(48))


def test_the_one_given_as_the_other(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"describe CLIP|describes qwen3"):
        text_files(language_model(tmp_path / "q"), clip(24))
    with pytest.raises(SourceError, match="describes clip of width 1, not Qwen3-8B"):
        text_files(clip_model(tmp_path / "c"), qwen(48))
    with pytest.raises(SourceError, match="not a folder"):
        text_files(tmp_path / "q" / "config.json", qwen(48))
