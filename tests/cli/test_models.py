"""`hymo models` as its user meets it: importing, looking, checking, removing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import hymotion.importing
from jobs.cli.main import hymo
from tests.unit.hymotion.importing.sources import (
    MINI,
    RELEASE,
    everything,
    hub,
    lite_model,
    model,
    state,
    tree,
)
from worker.cli.models_progress import byte_progress

ROOT = Path(__file__).parents[2]
NAME = "hy-motion-1.0"
Models = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def models(home: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """Runs `hymo models` where the golden network is the published one."""
    monkeypatch.setattr(hymotion.importing, "HY_MOTION", RELEASE)
    monkeypatch.setenv("HYMO_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "1000")  # nothing is cut

    def run(*words: object, stdin: str | None = None) -> Result:
        return CliRunner().invoke(_Whole(), ["models", *map(str, words)], input=stdin)

    return run


class _Whole:
    """The root group in standalone mode, as the console script runs it."""

    name = "hymo"

    def main(self, args: list[str], prog_name: str, **extra: object) -> None:
        hymo.main(args, prog_name=prog_name, **extra)  # type: ignore[arg-type]


@pytest.fixture
def given(tmp_path: Path) -> list[str]:
    """Options that import all but Lite."""
    wanted = everything(tmp_path / "given")
    words = {"--full": wanted.full, "--upstream": wanted.upstream, "--qwen": wanted.qwen,
             "--clip": wanted.clip}  # fmt: skip
    return [str(word) for pair in words.items() for word in pair]


def document(done: Result) -> dict[str, Any]:
    assert done.exit_code in {0, 1}, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def record(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "models" / NAME / "model.json").read_text())
    return found


def test_an_import_says_what_it_did_and_whose_licences_these_are(
    models: Models, given: list[str], home: Path
) -> None:
    done = models("import", *given)
    assert done.exit_code == 0, done.stderr
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert lines["imported"] == NAME
    assert lines["full"] == record(home)["modes"]["full"]["revision"]
    assert lines["text"] == record(home)["text"]["revision"]
    assert "European Union" in done.stderr
    assert "Apache" in done.stderr
    again = models("import", *given)
    assert "was there already, the same" in again.stdout
    assert "European Union" not in again.stderr, "the notice is shown once"
    assert hymotion.load(home / "models" / NAME / "full").revision == lines["full"]


def test_the_json_of_an_import(models: Models, given: list[str], home: Path) -> None:
    found = document(models("import", *given, "--json"))
    assert (found["schema"], found["dry_run"]) == ("hymo.import/1", False)
    assert found["folder"] == str(home / "models" / NAME)
    assert found["parts"] == {
        "full": {"revision": record(home)["modes"]["full"]["revision"], "imported": True},
        "text": {"revision": record(home)["text"]["revision"], "imported": True},
    }


def test_a_dry_run_checks_and_shows_and_writes_nothing(
    models: Models, given: list[str], home: Path, tmp_path: Path
) -> None:
    done = models("import", *given, "--dry-run")
    assert done.exit_code == 0
    assert "full  convert  full/weights.safetensors" in done.stdout
    assert "text/qwen/model-00001-of-00002.safetensors" in done.stdout
    assert "would be written" in done.stdout
    found = document(models("import", *given, "--dry-run", "--json"))
    assert found["dry_run"] is True
    assert found["bytes"] == sum(step["bytes"] for step in found["steps"]) > 1_000_000
    assert not home.exists()
    (tmp_path / "given" / "clip" / "vocab.json").write_text("")
    assert models("import", *given, "--dry-run").exit_code == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "name what to import"),
        (["--link"], "name what to import"),
        (["--qwen", "q", "--clip", "c"], "--upstream is missing"),
    ],
)
def test_what_makes_no_import_is_a_usage_error(
    models: Models, words: list[str], problem: str
) -> None:
    done = models("import", *words)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_wrong_folder_is_one_line_with_its_mend(models: Models, home: Path) -> None:
    done = models("import", "--lite", MINI)
    assert done.exit_code == 1
    assert "this is Full, given as Lite. Give this folder with --full" in done.stderr
    assert "Traceback" not in done.stderr
    done = models("import", "--full", home / "nowhere")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "it does not exist" in done.stderr
    assert not (home / "models" / NAME).exists()


def test_the_list_says_what_can_be_loaded_here(models: Models, home: Path, tmp_path: Path) -> None:
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
    assert any("no: hymo models import --full DIR" in line for line in lines)
    assert any(own["modes"]["lite"]["revision"] in line and "yes" in line for line in lines)


def test_a_model_in_full(models: Models, given: list[str], tmp_path: Path) -> None:
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
    models: Models, given: list[str], home: Path
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
def test_verify_looks_at_every_file(
    models: Models, given: list[str], home: Path, name: str
) -> None:
    models("import", *given)
    (path,) = (home / "models" / NAME).rglob(name)
    path.write_text(path.read_text() + " ")
    assert f"{path} is changed" in models("verify", NAME).stderr


def test_remove_asks_and_leaves_nothing(models: Models, given: list[str], home: Path) -> None:
    models("import", *given)
    before = tree(home)
    done = models("remove", NAME, stdin="n\n")
    assert done.exit_code == 130
    assert "Remove hy-motion-1.0" in done.stderr
    assert tree(home) == before
    found = document(models("remove", NAME, "--yes", "--json"))
    assert (found["schema"], found["name"]) == ("hymo.remove/1", NAME)
    assert found["bytes"] > 1_000_000
    assert set(tree(home)) == {"models/.lock"}
    assert models("remove", NAME, "--yes").exit_code == 3
    assert document(models("list", "--json"))["default"] == "tiny"


def test_remove_of_one_part_keeps_the_others(
    models: Models, given: list[str], home: Path, tmp_path: Path
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


def test_a_text_revision_can_be_forgotten(models: Models, home: Path) -> None:
    models("import", "--full", MINI, "--text-revision", "te-0123456789ab")
    assert models("remove", NAME, "--only", "text", "--yes").exit_code == 0
    assert record(home)["text"] is None


def test_remove_takes_links_and_not_what_they_lead_to(
    models: Models, given: list[str], home: Path, tmp_path: Path
) -> None:
    before = tree(tmp_path / "given")
    assert models("import", *given, "--link").exit_code == 0
    assert (home / "models" / NAME / "text" / "clip" / "model.safetensors").is_symlink()
    assert models("remove", NAME, "--yes").exit_code == 0
    assert tree(tmp_path / "given") == before


def test_a_folder_that_is_a_link_is_unlinked(models: Models, home: Path, tmp_path: Path) -> None:
    models("import", "--full", MINI)
    shared = tmp_path / "shared"
    (home / "models" / NAME).rename(shared)
    (home / "models" / NAME).symlink_to(shared)
    assert models("verify", NAME).exit_code == 0
    assert models("remove", NAME, "--yes").exit_code == 0
    assert not (home / "models" / NAME).is_symlink()
    assert (shared / "model.json").is_file()


def test_what_comes_along_cannot_be_removed(models: Models) -> None:
    for name in ("tiny", "null"):
        done = models("remove", name, "--yes")
        assert done.exit_code == 2
        assert "comes with hymo" in done.stderr
    for name in ("huge", "..", ".", "../home"):
        assert models("remove", name, "--yes").exit_code == 3


def test_a_damaged_record_can_be_removed(models: Models, given: list[str], home: Path) -> None:
    models("import", *given)
    path = home / "models" / NAME / "model.json"
    path.write_text('{"schema": 9}')
    done = models("list")
    assert done.exit_code == 1
    assert "schema 9, this program knows 1" in done.stderr
    assert models("import", *given).exit_code == 1
    assert models("remove", NAME, "--yes").exit_code == 0
    assert models("import", *given).exit_code == 0


SLOW = """
    import sys, time
    import hymotion.importing
    import hymotion.importing.stream
    import worker.cli.models_import as command
    from contextlib import contextmanager
    from jobs.cli.main import main
    from tests.unit.hymotion.importing.sources import RELEASE
    hymotion.importing.HY_MOTION = RELEASE
    hymotion.importing.stream.PIECE = 100_000
    @contextmanager
    def slow(verb, total):
        yield lambda size: time.sleep(0.1)
    command.byte_progress = slow
    main(["models", "import", "--full", sys.argv[1]])
"""


def slow_import(home: Path, folder: Path) -> subprocess.Popen[str]:
    environ = {**os.environ, "HYMO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW), str(folder)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    part = home / "models" / f".{NAME}.partial" / "full" / "weights.safetensors.part"
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 150_000):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def test_two_at_once_do_not_meet_and_a_dead_one_is_in_nobodys_way(
    models: Models, home: Path, tmp_path: Path
) -> None:
    folder = model(tmp_path / "m")
    process = slow_import(home, folder)
    for words in (("import", "--full", folder), ("remove", NAME, "--yes")):
        done = models(*words)
        assert done.exit_code == 1
        assert f"process {process.pid} is importing or removing models" in done.stderr
    assert (
        models("list").exit_code == models("import", "--full", folder, "--dry-run").exit_code == 0
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert document(models("list", "--json"))["default"] == "tiny"
    done = models("import", "--full", folder)
    assert done.exit_code == 0, done.stderr
    assert "going on with" in done.stderr
    assert models("verify", NAME).exit_code == 0


def test_ctrl_c_says_how_to_go_on(
    models: Models, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def interrupted(verb: str, total: int) -> Iterator[Callable[[int], None]]:
        left = total // 2

        def told(size: int) -> None:
            nonlocal left
            left -= size
            if left < 0:
                raise KeyboardInterrupt

        yield told

    monkeypatch.setattr("worker.cli.models_import.byte_progress", interrupted)
    done = models("import", "--full", model(tmp_path / "m"))
    assert done.exit_code == 130
    assert "import again to go on from here" in done.stderr
    assert models("remove", NAME, "--yes").exit_code == 0
    assert set(tree(home)) == {"models/.lock"}


@pytest.mark.parametrize("total", [4_000_000_000, 1000])
def test_progress_is_a_line_every_few_seconds(
    capsys: pytest.CaptureFixture[str], total: int
) -> None:
    seconds = iter(range(100))
    with byte_progress("importing", total, clock=lambda: float(next(seconds))) as told:
        for _ in range(12):
            told(total // 16)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    if total > 1000:
        assert lines == [
            "importing: 1.2 of 4.0 GB, 0.25 GB/s",
            "importing: 2.5 of 4.0 GB, 0.25 GB/s",
        ]


def test_looking_loads_no_library_of_tensors(home: Path) -> None:
    code = (
        "import sys\nfrom jobs.cli.main import hymo\n"
        "hymo.main(['models', 'list'], standalone_mode=False)\n"
        "assert not {'torch', 'numpy', 'hymotion'} & sys.modules.keys()\n"
    )
    environ = {**os.environ, "HYMO_HOME": str(home)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environ, timeout=60,
                   capture_output=True)  # fmt: skip
