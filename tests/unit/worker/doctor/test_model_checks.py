"""What the doctor finds of installed models and of the texts that were encoded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.domain.memory import GIB
from jobs.settings import Settings
from worker.doctor import model_checks as modelcheck
from worker.doctor.finding import Finding, Health
from worker.doctor.model_checks import models

NAME = "hy-motion-1.0"
TEXT = {
    "folder": "text", "revision": "te-1", "bytes": 16_400_000_000, "qwen_bytes": 16_000_000_000,
    "clip_bytes": 400_000_000, "files": {"encoder.json": "ab"}, "linked": True,
}  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.read({"HYMO_HOME": str(tmp_path / "home")})


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with space enough."""
    usage = shutil.disk_usage("/")._replace(free=100 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


def install(home: Path, *, text: dict[str, Any] | None) -> Path:
    """A model of one mode with files of a few bytes; its folder."""
    folder = home / "models" / NAME
    (folder / "full").mkdir(parents=True)
    (folder / "text").mkdir()
    for name in ("full/config.yml", "full/weights.safetensors", "text/encoder.json"):
        (folder / name).write_bytes(b"12345")
    full = {"folder": "full", "revision": "st-1", "sha256": "ab", "config_sha256": "ab",
            "bytes": 5, "numbers": 1, "linked": False}  # fmt: skip
    record = {"schema": 1, "imported_at": "2026-01-31T00:00:00Z", "modes": {"full": full},
              "text": text}  # fmt: skip
    (folder / "model.json").write_text(json.dumps(record), "utf-8")
    return folder


def found(settings: Settings, *, little: int = 0) -> dict[str, Finding]:
    return {each.check: each for each in models(settings, little=little)}


def test_nothing_installed_is_nothing_to_say(settings: Settings) -> None:
    assert found(settings) == {}


@pytest.mark.usefixtures("roomy")
def test_a_model_with_its_encoder(settings: Settings) -> None:
    install(settings.home, text=TEXT)
    findings = found(settings)
    assert {check: each.health for check, each in findings.items()} == dict.fromkeys(
        ("model", "encoder", "texts"), Health.OK
    )
    assert findings["model"].found == f"{NAME}: full 0.0 GB; text encoder te-1, 16.4 GB"
    assert findings["encoder"].found.startswith("transformers ")
    assert findings["texts"].found == (
        f"{settings.home}/embeddings, 0 encoded, 0.0 of at most 16 GiB, 100.0 GiB free"
    )
    assert not (settings.home / "embeddings").exists()


@pytest.mark.parametrize("name", ["find_spec", "version"])
def test_the_library_of_the_encoder_is_missing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def gone(library: str) -> None:
        if name == "version":
            raise modelcheck.PackageNotFoundError(library)

    install(settings.home, text=TEXT)
    monkeypatch.setattr(modelcheck, name, gone)
    finding = found(settings)["encoder"]
    assert (finding.health, finding.mend) == (Health.BAD, "pip install 'hymo[official]'")


def test_who_only_samples_needs_no_library(settings: Settings) -> None:
    install(settings.home, text=TEXT | {"folder": None})
    findings = found(settings)
    assert "encoder" not in findings
    assert findings["model"].health is Health.OK
    assert findings["model"].found.endswith("texts are encoded elsewhere, with te-1")


def test_a_model_without_any_text_encoder_is_a_warning(settings: Settings) -> None:
    install(settings.home, text=None)
    finding = found(settings)["model"]
    assert finding.health is Health.WARNING
    assert "--qwen DIR --clip DIR" in finding.mend
    assert "--text-revision" in finding.mend


def test_a_damaged_record_is_bad_and_names_the_mend(settings: Settings) -> None:
    folder = install(settings.home, text=TEXT)
    (folder / "model.json").write_text("{", "utf-8")
    finding = found(settings)["model"]
    assert finding.health is Health.BAD
    assert finding.found.startswith(f"{folder / 'model.json'} cannot be read (")
    assert finding.mend.startswith("use the version of hymo that wrote it, or remove the model")


def test_files_that_are_gone_or_cut_short_are_bad(settings: Settings) -> None:
    folder = install(settings.home, text=TEXT)
    file = folder / "full" / "weights.safetensors"
    file.write_bytes(b"123")
    finding = found(settings)["model"]
    assert finding.health is Health.BAD
    assert f"{file} has 3 bytes, 5 were imported" in finding.found
    file.unlink()
    assert f"{file}: No such file or directory" in found(settings)["model"].found
    file.symlink_to(folder / "moved")
    finding = found(settings)["model"]
    assert f"{file}: a link to what is gone" in finding.found
    assert finding.mend == f"import it again, or `hymo models remove {NAME}`"


@pytest.mark.usefixtures("roomy")
def test_the_encoded_texts_and_the_room_for_more(settings: Settings) -> None:
    entries = settings.texts / "te-1" / "ab"
    entries.mkdir(parents=True)
    for name in ("1.safetensors", "2.safetensors", "3.part"):
        (entries / name).write_bytes(b"x" * 2**20)
    finding = found(settings)["texts"]
    assert (finding.health, "2 encoded, 0.0 of at most 16 GiB" in finding.found) == (
        Health.OK, True,
    )  # fmt: skip
    assert modelcheck._stored(settings.texts) == (2, 2**21)
    finding = found(settings, little=101 * GIB)["texts"]
    assert (finding.health, "HYMO_EMBEDDINGS_GIB" in finding.mend) == (Health.WARNING, True)


def test_texts_that_would_not_fit_the_disk_are_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.texts.mkdir(parents=True)
    usage = shutil.disk_usage("/")._replace(free=15 * GIB)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert found(settings)["texts"].health is Health.WARNING


def test_a_folder_of_texts_that_cannot_be_written_is_bad(settings: Settings) -> None:
    install(settings.home, text=TEXT)
    settings.texts.write_text("a file", "utf-8")
    finding = found(settings)["texts"]
    assert (finding.health, "is not a folder" in finding.found) == (Health.BAD, True)
    assert "HYMO_EMBEDDINGS" in finding.mend
