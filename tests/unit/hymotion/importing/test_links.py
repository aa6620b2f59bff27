"""Links to the user's files, and what the hub's cache tells of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from safetensors.torch import save_file

import hymotion
from hymotion.importing import Imported, Importer, Wanted
from hymotion.importing.errors import SourceError
from tests.unit.hymotion.importing.sources import (
    MINI,
    RELEASE,
    everything,
    hub,
    model,
    state,
    tree,
)

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(models=tmp_path / "home" / "models", release=RELEASE, now=lambda: NOW)


def install(importer: Importer, wanted: Wanted) -> Imported:
    return importer.run(importer.plan(wanted))


def test_links_lead_to_the_users_files(tmp_path: Path) -> None:
    first = Importer(models=tmp_path / "first", release=RELEASE)
    wanted = everything(tmp_path / "given")
    copied = install(first, wanted)
    # What we installed is in our format: a second home may link to it.
    qwen = hub(tmp_path / "hub", "Qwen/Qwen3-8B", tmp_path / "given" / "qwen")
    linked = replace(wanted, full=first.folder / "full", qwen=qwen, link=True)
    second = Importer(models=tmp_path / "second", release=RELEASE)
    plan = second.plan(linked)
    actions = {step.target: step.action for step in plan.steps}
    assert actions["full/weights.safetensors"] == actions["text/qwen/config.json"] == "link"
    assert plan.bytes < 2000
    done = second.run(plan)
    assert done.revisions == copied.revisions
    weights = second.folder / "full" / "weights.safetensors"
    assert weights.is_symlink()
    assert weights.resolve() == (first.folder / "full" / "weights.safetensors").resolve()
    shard = second.folder / "text" / "qwen" / "model-00001-of-00002.safetensors"
    assert shard.resolve().parent == (qwen / "blobs").resolve()
    assert tree(second.folder)["text/qwen/config.json"] == tree(qwen / "blobs")[shard_of(qwen)]
    assert done.record["modes"]["full"]["linked"] is True
    assert not (second.folder / "text" / "system_message.txt").is_symlink()
    assert hymotion.load(second.folder / "full").revision == copied.revisions["full"]


def shard_of(repository: Path) -> str:
    return (repository / "snapshots" / "0a1b2c" / "config.json").resolve().name


def test_what_is_not_in_our_format_is_converted_though_links_were_asked_for(
    importer: Importer, tmp_path: Path
) -> None:
    folder = model(tmp_path / "m")
    assert importer.plan(Wanted(full=folder, link=True)).steps[0].action == "convert"
    (folder / "latest.ckpt").unlink()
    save_file(state(), folder / "model.safetensors", metadata={"format": "pt"})
    done = install(importer, Wanted(full=folder, link=True))
    assert not (importer.folder / "full" / "weights.safetensors").is_symlink()
    again = Importer(models=tmp_path / "other", release=RELEASE)
    assert done.revisions == install(again, Wanted(full=MINI)).revisions


@pytest.mark.parametrize("link", [False, True])
def test_a_damaged_file_of_the_hubs_cache_is_known_by_its_name(
    importer: Importer, tmp_path: Path, link: bool
) -> None:
    wanted = everything(tmp_path)
    cached = hub(tmp_path / "hub", "Qwen/Qwen3-8B", tmp_path / "qwen")
    shard = (cached / "snapshots/0a1b2c/model-00002-of-00002.safetensors").resolve()
    data = shard.read_bytes()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SourceError, match="it is damaged: its sha256 is"):
        install(importer, replace(wanted, qwen=cached, link=link))
    assert "text" not in tree(importer.folder)
    assert json.loads((importer.folder / "model.json").read_text())["text"] is None
