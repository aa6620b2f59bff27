"""Importing as a whole: what is installed, cut and going on, links, a full disk."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import hymotion
from hymotion.conformance import check as conformance
from hymotion.importing import HY_MOTION, Imported, Importer, Wanted
from hymotion.importing.errors import DifferentError, SourceError
from hymotion.loading.safetensors_file import file_sha256
from tests.unit.hymotion.importing.sources import (
    MESSAGE,
    MINI,
    RELEASE,
    clone,
    everything,
    hub,
    lite_model,
    model,
    state,
    tree,
)

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


class CutError(Exception):
    """Stands for whatever ends a process."""


@pytest.fixture
def importer(tmp_path: Path) -> Importer:
    return Importer(models=tmp_path / "home" / "models", release=RELEASE, now=lambda: NOW)


def install(importer: Importer, wanted: Wanted) -> Imported:
    return importer.run(importer.plan(wanted))


def test_the_golden_network_comes_out_as_it_went_in(importer: Importer, tmp_path: Path) -> None:
    install(importer, Wanted(full=model(tmp_path / "m")))
    folder = importer.folder / "full"
    pipeline = hymotion.load(folder)
    assert (pipeline.model, pipeline.mode) == ("hy-motion-1.0", "full")
    shutil.copy(MINI / "golden.npz", folder)
    report = conformance.conformance(folder)
    assert report["passed"] is True
    for padding in ("untrimmed", "trimmed"):
        errors = report[padding]
        assert isinstance(errors, dict)
        assert errors["velocity"] <= 2e-6


def test_the_record_says_all(importer: Importer, tmp_path: Path) -> None:
    wanted = everything(tmp_path)
    (tmp_path / "qwen" / "LICENSE").write_text("Apache")
    plan = importer.plan(wanted)
    done = importer.run(plan)
    record = json.loads((importer.folder / "model.json").read_text())
    assert record == done.record
    assert (record["schema"], record["name"]) == (1, "hy-motion-1.0")
    assert record["imported_at"] == "2026-11-23T02:00:00+00:00"
    weights = importer.folder / "full" / "weights.safetensors"
    full = record["modes"]["full"]
    assert full["sha256"] == file_sha256(weights)
    assert full["revision"] == f"st-{full['sha256'][:12]}" == done.revisions["full"]
    assert full["bytes"] == weights.stat().st_size
    assert full["numbers"] == sum(tensor.numel() for tensor in state().values())
    assert full["config_sha256"] == file_sha256(weights.with_name("config.yml"))
    text = record["text"]
    assert text["revision"] == done.revisions["text"]
    for name, sha256 in text["files"].items():
        assert file_sha256(importer.folder / "text" / name) == sha256
    own = sum(path.stat().st_size for path in (importer.folder / "text").rglob("*.json"))
    assert 0 < text["qwen_bytes"] + text["clip_bytes"] < text["bytes"]
    assert own < text["bytes"]
    assert set(record["licence"]["notices"]) == {"model", "qwen", "clip"}
    assert record["licence"]["files"] == [str(tmp_path / "qwen" / "LICENSE")]
    kinds = {source["kind"]: source for source in record["sources"]}
    assert set(kinds) == {"weights", "qwen", "clip", "upstream"}
    checkpoint = file_sha256(tmp_path / "full" / "latest.ckpt")
    (file,) = kinds["weights"]["files"]
    assert (kinds["weights"]["path"], file["sha256"]) == (str(tmp_path / "full"), checkpoint)
    assert file["bytes"] == (tmp_path / "full" / "latest.ckpt").stat().st_size


def test_what_is_installed_is_what_was_given_and_nothing_else(
    importer: Importer, tmp_path: Path
) -> None:
    install(importer, everything(tmp_path))
    files = tree(importer.folder)
    qwen = tree(tmp_path / "qwen")
    for unwanted in ("README.md", "generation_config.json"):
        del qwen[unwanted]
    assert {name: files[f"text/qwen/{name}"] for name in qwen} == qwen
    assert files["text/system_message.txt"] == MESSAGE.encode()
    encoder = json.loads(files["text/encoder.json"])
    assert encoder["system_message_sha256"] == hashlib.sha256(MESSAGE.encode()).hexdigest()
    clip = {"config.json", "merges.txt", "vocab.json", "model.safetensors"}
    assert set(files) == {
        "model.json",
        "full/config.yml",
        "full/weights.safetensors",
        "text/encoder.json",
        "text/system_message.txt",
        *(f"text/qwen/{name}" for name in qwen),
        *(f"text/clip/{name}" for name in clip),
    }
    assert not importer.partial.exists()


def test_planning_writes_nothing_and_says_what_will_be(importer: Importer, tmp_path: Path) -> None:
    wanted = everything(tmp_path / "given")
    before = tree(tmp_path)
    plan = importer.plan(wanted)
    assert tree(tmp_path) == before
    assert not importer.folder.parent.exists()
    done = importer.run(plan)
    written = {name: len(data) for name, data in tree(done.folder).items()}
    for name in ("model.json", "text/encoder.json"):
        del written[name]
    assert {step.target: step.bytes for step in plan.steps} == written
    assert plan.bytes == sum(written.values())


def test_progress_adds_up_to_the_plan(importer: Importer, tmp_path: Path) -> None:
    told: list[int] = []
    plan = importer.plan(everything(tmp_path))
    importer.run(plan, on_bytes=told.append)
    encoder = (importer.folder / "text" / "encoder.json").stat().st_size
    assert sum(told) == plan.work + encoder


@pytest.mark.parametrize("form", ["latest.ckpt", "state.bin", "model.safetensors", "shards"])
def test_the_revision_is_that_of_the_numbers_whatever_file_they_came_in(
    importer: Importer, tmp_path: Path, form: str
) -> None:
    folder = model(tmp_path / "m")
    (folder / "latest.ckpt").unlink()
    shuffled = dict(sorted(state().items(), reverse=True))
    if form == "model.safetensors":
        save_file(shuffled, folder / form, metadata={"format": "pt"})
    elif form == "shards":
        names = list(shuffled)
        index = {name: f"part-{number % 2}.safetensors" for number, name in enumerate(names)}
        for number in range(2):
            mine = {name: shuffled[name] for name in names[number::2]}
            save_file(mine, folder / f"part-{number}.safetensors")
        listed = json.dumps({"weight_map": index})
        (folder / "model.safetensors.index.json").write_text(listed)
    else:
        torch.save(
            shuffled if form == "state.bin" else {"model_state_dict": shuffled}, folder / form
        )
    done = install(importer, Wanted(full=folder))
    again = Importer(models=tmp_path / "other", release=RELEASE)
    assert done.revisions == install(again, Wanted(full=MINI)).revisions
    weights = (importer.folder / "full" / "weights.safetensors").read_bytes()
    assert weights == (again.folder / "full" / "weights.safetensors").read_bytes()


def test_modes_and_text_can_come_one_after_the_other(importer: Importer, tmp_path: Path) -> None:
    wanted = everything(tmp_path)
    lite = lite_model(tmp_path / "lite")
    first = install(importer, Wanted(lite=lite))
    assert first.record["modes"].keys() == {"lite"}
    rest = install(importer, wanted)
    assert rest.record["modes"].keys() == {"full", "lite"}
    assert rest.fresh == {"full", "text"}
    assert len(rest.record["sources"]) == 5
    other = Importer(models=tmp_path / "other", release=RELEASE)
    assert install(other, replace(wanted, lite=lite)).revisions == first.revisions | rest.revisions
    assert hymotion.load(importer.folder / "lite").mode == "lite"
    assert hymotion.load(importer.folder / "full", revision="st-said").revision == "st-said"


def test_again_the_same_changes_nothing(importer: Importer, tmp_path: Path) -> None:
    wanted = everything(tmp_path)
    first = install(importer, wanted)
    before = tree(importer.folder)
    plan = importer.plan(wanted)
    assert {step.action for step in plan.steps} == {"compare"}
    assert plan.bytes == 0
    again = importer.run(plan)
    assert (again.revisions, again.fresh) == (first.revisions, frozenset())
    assert tree(importer.folder) == before


@pytest.mark.parametrize("part", ["full", "text"])
def test_something_else_does_not_take_the_place_of_what_is_there(
    importer: Importer, tmp_path: Path, part: str
) -> None:
    wanted = everything(tmp_path)
    install(importer, wanted)
    before = tree(importer.folder)
    if part == "full":
        wanted = Wanted(full=model(tmp_path / "n", tensors=state() | {"mean": torch.ones(201)}))
    else:
        (tmp_path / "clip" / "merges.txt").write_text("other")
    with pytest.raises(DifferentError, match=f"hymo models remove hy-motion-1.0 --only {part}"):
        install(importer, wanted)
    assert tree(importer.folder) == before


def test_the_text_revision_follows_everything_that_decides_an_embedding(tmp_path: Path) -> None:
    def revision(number: int, change: Callable[[Path], object] | None = None) -> str:
        folder = tmp_path / str(number)
        wanted = everything(folder)
        if change is not None:
            change(folder)
        importer = Importer(models=folder / "models", release=RELEASE)
        return install(importer, wanted).revisions["text"]

    same = revision(0)
    assert revision(1, lambda folder: (folder / "qwen" / "README.md").write_text("x")) == same
    changes = [
        lambda folder: (folder / "qwen" / "tokenizer.json").write_text("x"),
        lambda folder: (folder / "qwen" / "chat_template.jinja").write_text("x"),
        lambda folder: (folder / "clip" / "vocab.json").write_text("x"),
        lambda folder: save_file(
            {"text_model.weight": torch.zeros(6)}, folder / "clip" / "model.safetensors"
        ),
    ]
    found = {revision(number, change) for number, change in enumerate(changes, 2)}
    assert len(found | {same}) == 5


def test_another_message_is_another_encoder(tmp_path: Path) -> None:
    wanted = replace(everything(tmp_path), full=None)
    first = install(Importer(models=tmp_path / "one", release=RELEASE), wanted)
    text = "Another message."
    digest = hashlib.sha256(text.encode()).hexdigest()
    told = replace(RELEASE.system_message, length=len(text), begins=digest, ends="")
    code = f"PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION = {text!r}\n"
    second = install(
        Importer(models=tmp_path / "two", release=replace(RELEASE, system_message=told)),
        replace(wanted, upstream=clone(tmp_path / "other", code=code)),
    )
    assert first.revisions != second.revisions


def test_only_the_revision_of_a_text_encoder_elsewhere(importer: Importer, tmp_path: Path) -> None:
    there = "te-0123456789ab"
    done = install(importer, Wanted(full=model(tmp_path / "m"), text_revision=there))
    assert done.record["text"]["folder"] is None
    assert done.record["text"]["revision"] == done.revisions["text"] == there
    install(importer, Wanted(text_revision="te-ba9876543210"))
    rest = everything(tmp_path / "rest")
    assert install(importer, replace(rest, full=None)).record["text"]["folder"] == "text"
    with pytest.raises(DifferentError, match="installed already as te-"):
        importer.plan(Wanted(text_revision=there))
    with pytest.raises(SourceError, match=r"no revision of a text encoder.*hymo models show"):
        importer.plan(Wanted(text_revision="te-1"))


def test_the_snapshot_is_recorded(importer: Importer, tmp_path: Path) -> None:
    model(tmp_path / "repository" / "HY-Motion-1.0")
    cached = hub(tmp_path / "hub", "tencent/HY-Motion-1.0", tmp_path / "repository")
    (source,) = install(importer, Wanted(full=cached)).record["sources"]
    assert (source["repository"], source["revision"]) == ("tencent/HY-Motion-1.0", "0a1b2c")
    assert source["files"][0]["name"] == "latest.ckpt"


def test_the_publishers_licences_are_found(importer: Importer, tmp_path: Path) -> None:
    model(tmp_path / "repository" / "HY-Motion-1.0")
    (tmp_path / "repository" / "License.txt").write_text("theirs")
    (tmp_path / "LICENSE").write_text("of something else")
    cached = hub(tmp_path / "hub", "tencent/HY-Motion-1.0", tmp_path / "repository")
    inside = cached / "snapshots" / "0a1b2c" / "License.txt"
    assert importer.plan(Wanted(full=cached)).licence.files == (inside,)
    plain = tmp_path / "repository" / "HY-Motion-1.0"
    found = importer.plan(Wanted(full=plain)).licence.files
    assert found == (tmp_path / "repository" / "License.txt",)


def test_the_release_is_the_published_one(tmp_path: Path) -> None:
    assert HY_MOTION.sizes == {"full": (1280, 27, 20), "lite": (1024, 18, 16)}
    assert (HY_MOTION.ctxt_dim, HY_MOTION.vtxt_dim) == (4096, 768)
    wide = replace(RELEASE, ctxt_dim=HY_MOTION.ctxt_dim)
    with pytest.raises(SourceError, match="describes qwen3 of width 48"):
        Importer(models=tmp_path, release=wide).plan(replace(everything(tmp_path / "e"), full=None))
