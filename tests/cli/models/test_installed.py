"""Showing, verifying and removing installed models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calling import Hymo
from tests.cli.models.reading import NAME, document, record
from tests.unit.hymotion.importing.sources import (
    MINI,
    hub,
    lite_model,
    model,
    state,
    tree,
)

ROOT = Path(__file__).parents[3]


def test_the_list_says_what_can_be_loaded_here(models: Hymo, home: Path, tmp_path: Path) -> None:
    before = document(models("list", "--json"))
    assert (before["schema"], before["default"]) == ("hymo.models/1", "tiny")
    assert not home.exists()
    models("import", "--lite", lite_model(tmp_path / "lite"), "--text-revision", "te-0123456789ab")
    after = document(models("list", "--json"))
    assert after["default"] == NAME
    by_name = {each["name"]: each for each in after["models"]}
    assert set(by_name) == {"tiny", "null", NAME}
    assert by_name["tiny"]["loadable"] == by_name["null"]["loadable"] == ["full", "lite"]
    own = by_name[NAME]
    assert own["loadable"] == ["lite"]
    assert own["modes"]["lite"]["revision"] == record(home)["modes"]["lite"]["revision"]
    assert own["modes"]["lite"]["bytes"] > 100_000
    assert own["text"]["revision"] == "te-0123456789ab"
    assert own["text"]["installed"] is False
    lines = models("list").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "MODE", "REVISION", "WEIGHTS", "TEXT", "LOADABLE"]
    assert any("no: import it" in line for line in lines)
    assert any(own["modes"]["lite"]["revision"] in line and "yes" in line for line in lines)


def test_a_model_in_full(models: Hymo, given: list[str], tmp_path: Path) -> None:
    cached = hub(tmp_path / "hub", "Qwen/Qwen3-8B", tmp_path / "given" / "qwen")
    models("import", *[str(cached) if word.endswith("/qwen") else word for word in given])
    shown = models("show", NAME).stdout
    for part in ("463,659 numbers", "Qwen/Qwen3-8B 0a1b2c", "European Union", "full sha256"):
        assert part in shown
    assert str(tmp_path / "given" / "full") in shown
    found = document(models("show", NAME, "--json"))
    assert found["schema"] == "hymo.model/1"
    assert {source["kind"] for source in found["sources"]} == {
        "weights",
        "qwen",
        "clip",
        "upstream",
    }
    assert found["licence"]["shown_at"]
    assert "tiny-lite-2" in models("show", "tiny").stdout
    assert models("show", "huge").exit_code == 3


def test_verify_finds_a_flipped_byte_and_a_lost_file(
    models: Hymo, given: list[str], home: Path
) -> None:
    models("import", *given)
    assert models("verify", NAME).exit_code == 0
    folder = home / "models" / NAME
    weights = folder / "full" / "weights.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    (folder / "text" / "clip" / "vocab.json").unlink()
    done = models("verify", NAME)
    assert done.exit_code == 1
    assert f"{weights} is changed" in done.stderr
    assert "vocab.json is missing" in done.stderr
    found = document(models("verify", NAME, "--json"))
    assert (found["schema"], found["ok"]) == ("hymo.verify/1", False)
    states = {Path(each["path"]).name: each["state"] for each in found["files"]}
    assert states["weights.safetensors"] == "changed"
    assert states["merges.txt"] == "ok"
    assert models("verify", "tiny").exit_code == 3


@pytest.mark.parametrize("name", ["config.yml", "system_message.txt", "encoder.json"])
def test_verify_looks_at_every_file(models: Hymo, given: list[str], home: Path, name: str) -> None:
    models("import", *given)
    (path,) = (home / "models" / NAME).rglob(name)
    path.write_text(path.read_text() + " ")
    assert f"{path} is changed" in models("verify", NAME).stderr


def test_remove_asks_and_leaves_nothing(models: Hymo, given: list[str], home: Path) -> None:
    models("import", *given)
    before = tree(home)
    done = models("remove", NAME, input="n\n")
    assert done.exit_code == 130
    assert "Remove hy-motion-1.0" in done.stderr
    assert tree(home) == before
    unasked = models("remove", NAME, input="")
    assert unasked.exit_code == 2
    assert "give --yes" in unasked.stderr
    assert tree(home) == before
    found = document(models("remove", NAME, "--yes", "--json"))
    assert (found["schema"], found["name"]) == ("hymo.remove/1", NAME)
    assert found["bytes"] > 1_000_000
    assert set(tree(home)) == {"models/.lock"}
    assert models("remove", NAME, "--yes").exit_code == 3
    assert document(models("list", "--json"))["default"] == "tiny"


def test_remove_of_one_part_keeps_the_others(
    models: Hymo, given: list[str], home: Path, tmp_path: Path
) -> None:
    models("import", *given, "--lite", lite_model(tmp_path / "lite"))
    assert models("remove", NAME, "--only", "full", "--yes").exit_code == 0
    assert record(home)["modes"].keys() == {"lite"}
    assert {source["part"] for source in record(home)["sources"]} == {"lite", "text"}
    assert not (home / "models" / NAME / "full").exists()
    other = model(tmp_path / "other", tensors=state() | {"mean": state()["mean"] + 1})
    assert models("import", "--full", other).exit_code == 0, "another one may come now"
    for part in ("text", "lite", "full"):
        assert models("verify", NAME).exit_code == 0
        assert models("remove", NAME, "--only", part, "--yes").exit_code == 0
    assert set(tree(home)) == {"models/.lock"}
    assert models("remove", NAME, "--only", "full", "--yes").exit_code == 3


def test_a_text_revision_can_be_forgotten(models: Hymo, home: Path) -> None:
    models("import", "--full", MINI, "--text-revision", "te-0123456789ab")
    assert models("remove", NAME, "--only", "text", "--yes").exit_code == 0
    assert record(home)["text"] is None


def test_remove_takes_links_and_not_what_they_lead_to(
    models: Hymo, given: list[str], home: Path, tmp_path: Path
) -> None:
    before = tree(tmp_path / "given")
    assert models("import", *given, "--link").exit_code == 0
    assert (home / "models" / NAME / "text" / "clip" / "model.safetensors").is_symlink()
    assert models("remove", NAME, "--yes").exit_code == 0
    assert tree(tmp_path / "given") == before


def test_a_folder_that_is_a_link_is_unlinked(models: Hymo, home: Path, tmp_path: Path) -> None:
    models("import", "--full", MINI)
    shared = tmp_path / "shared"
    (home / "models" / NAME).rename(shared)
    (home / "models" / NAME).symlink_to(shared)
    assert models("verify", NAME).exit_code == 0
    assert models("remove", NAME, "--yes").exit_code == 0
    assert not (home / "models" / NAME).is_symlink()
    assert (shared / "model.json").is_file()


def test_what_comes_along_cannot_be_removed(models: Hymo) -> None:
    for name in ("tiny", "null"):
        done = models("remove", name, "--yes")
        assert done.exit_code == 2
        assert "comes with hymo" in done.stderr
    for name in ("huge", "..", ".", "../home"):
        assert models("remove", name, "--yes").exit_code == 3


def test_a_damaged_record_can_be_removed(models: Hymo, given: list[str], home: Path) -> None:
    models("import", *given)
    path = home / "models" / NAME / "model.json"
    path.write_text('{"schema": 9}')
    done = models("list")
    assert done.exit_code == 1
    assert "schema 9, this program knows 1" in done.stderr
    assert models("import", *given).exit_code == 1
    assert models("remove", NAME, "--yes").exit_code == 0
    assert models("import", *given).exit_code == 0


def test_looking_loads_no_library_of_tensors(home: Path) -> None:
    code = (
        "import sys\nfrom jobs.cli.main import hymo\n"
        "hymo.main(['models', 'list'], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'hymotion'} & sys.modules.keys()\n"
    )
    environ = {**os.environ, "HYMO_HOME": str(home)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environ,
                   capture_output=True)  # fmt: skip
