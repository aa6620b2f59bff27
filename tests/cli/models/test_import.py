"""`hymo models import` on the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import hymotion.importing
from tests.cli.calling import Hymo
from tests.cli.models.reading import NAME, document, record
from tests.unit.hymotion.importing.sources import (
    MINI,
    model,
    tree,
)
from tests.waiting import until
from worker.cli.models.progress import byte_progress

ROOT = Path(__file__).parents[3]


def test_an_import_says_what_it_did_and_whose_licences_these_are(
    models: Hymo, given: list[str], home: Path
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
    assert "already imported, not read again" in again.stdout
    assert "European Union" not in again.stderr, "the notice is shown once"
    assert hymotion.load(home / "models" / NAME / "full").revision == lines["full"]


def test_the_json_of_an_import(models: Hymo, given: list[str], home: Path) -> None:
    found = document(models("import", *given, "--json"))
    assert (found["schema"], found["dry_run"]) == ("hymo.import/1", False)
    assert found["folder"] == str(home / "models" / NAME)
    assert found["parts"] == {
        "full": {"revision": record(home)["modes"]["full"]["revision"], "imported": True},
        "text": {"revision": record(home)["text"]["revision"], "imported": True},
    }


def test_a_dry_run_checks_and_shows_and_writes_nothing(
    models: Hymo, given: list[str], home: Path, tmp_path: Path
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
        ([], "give --full, --lite, or the text encoder"),
        (["--link"], "give --full, --lite, or the text encoder"),
        (["--qwen", "q", "--clip", "c"], "--upstream is missing"),
    ],
)
def test_what_makes_no_import_is_a_usage_error(
    models: Hymo, words: list[str], problem: str
) -> None:
    done = models("import", *words)
    assert done.exit_code == 2
    assert problem in done.stderr


def test_a_wrong_folder_is_one_line_with_its_mend(models: Hymo, home: Path) -> None:
    done = models("import", "--lite", MINI)
    assert done.exit_code == 1
    assert "this is Full, given as Lite. Give this folder with --full" in done.stderr
    assert "Traceback" not in done.stderr
    done = models("import", "--full", home / "nowhere")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "it does not exist" in done.stderr
    assert not (home / "models" / NAME).exists()


STUCK = """
    import sys, time
    from pathlib import Path
    import hymotion.importing
    import hymotion.importing.stream
    import worker.cli.models.importing as command
    from contextlib import contextmanager
    from jobs.cli.main import main
    from tests.unit.hymotion.importing.sources import RELEASE
    hymotion.importing.HY_MOTION = RELEASE
    hymotion.importing.stream.PIECE = 100_000
    part = Path(sys.argv[2])
    @contextmanager
    def stuck(verb, total):
        def on_bytes(size):
            if part.exists() and part.stat().st_size > 200_000:
                time.sleep(10_000)
        yield on_bytes
    command.byte_progress = stuck
    main(["models", "import", "--full", sys.argv[1]])
"""


@pytest.fixture
def stuck_import(
    home: Path, tmp_path: Path, start_process: Callable[..., subprocess.Popen[str]]
) -> subprocess.Popen[str]:
    """A process that imports `tmp_path/m` and stands still half-way."""
    environ = {**os.environ, "HYMO_HOME": str(home), "OMP_NUM_THREADS": "1"}
    part = home / "models" / f".{NAME}.partial" / "full" / "weights.safetensors.part"
    process = start_process(
        [sys.executable, "-c", textwrap.dedent(STUCK), str(model(tmp_path / "m")), str(part)],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip

    def half_way() -> bool:
        assert process.poll() is None, process.communicate()
        return part.exists() and part.stat().st_size > 200_000

    until(half_way, "half of the weights are copied")
    return process


def test_two_at_once_do_not_meet_and_a_dead_one_is_in_nobodys_way(
    models: Hymo, stuck_import: subprocess.Popen[str], tmp_path: Path
) -> None:
    process, folder = stuck_import, tmp_path / "m"
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
    assert "continuing an earlier import" in done.stderr
    assert models("verify", NAME).exit_code == 0


def test_ctrl_c_says_how_to_go_on(
    models: Hymo, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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

    monkeypatch.setattr("worker.cli.models.importing.byte_progress", interrupted)
    done = models("import", "--full", model(tmp_path / "m"))
    assert done.exit_code == 130
    assert "import again to continue" in done.stderr
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
