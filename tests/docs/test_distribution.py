"""What is handed out: the sdist, the wheel, and the versions that the lock and constraints pin."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Extras of machines that run workers, which the lock contains; the others are for tests.
LOCKED = ("postgres", "official", "quantised")
PIN = re.compile(r"^([\w.-]+)==([\w.+]+)(?: ; ([^\\]+))?", re.MULTILINE)


def plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(text: str) -> dict[str, tuple[str, str]]:
    """package → version and marker."""
    return {plain(name): (version, marker.strip()) for name, version, marker in PIN.findall(text)}


CONSTRAINTS = pinned((ROOT / "constraints.txt").read_text("utf-8"))
LOCK_TEXT = (ROOT / "requirements.lock").read_text("utf-8")
LOCK = pinned(LOCK_TEXT)


def test_the_lock_and_the_constraints_agree() -> None:
    assert len(LOCK) > 60
    for name, (version, marker) in LOCK.items():
        # What only other systems than the suite's need has a marker.
        assert name in CONSTRAINTS or marker, f"{name}: run `make lock`, or add it to constraints"
        assert CONSTRAINTS.get(name, (version, ""))[0] == version, f"{name}: run `make lock`"


def test_the_lock_has_every_dependency_by_hash_and_names_no_host() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in LOCKED:
        wanted += project["optional-dependencies"][extra]
    for requirement in wanted:
        (name,) = re.findall(r"^[\w.-]+", requirement)
        assert plain(name) in LOCK, f"{name}: run `make lock`"
    entries = re.split(r"\n(?=\w)", LOCK_TEXT.partition("lock\n")[2])
    assert len(entries) == len(LOCK)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in LOCK_TEXT


def test_the_makefile_locks_what_is_checked_here() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (command,) = re.findall(r"^LOCK := (.*?[^\\])$", makefile, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"--extra (\w+)", command)) == LOCKED
    (tools,) = re.findall(r"^TOOLS_WANTED := (.*)$", makefile, re.MULTILINE)
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", tool) for tool in tools.split())


# --- sdist and wheel ---------------------------------------------------------------------------


def build(kind: str, sources: Path, out: Path) -> Path:
    """Build a distribution with the installed setuptools; nothing is downloaded."""
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(out)!r})"
    out.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=sources, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    (made,) = out.iterdir()
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the sdist contains, unpacked; its weights are empty, to save the packing."""
    folder = tmp_path_factory.mktemp("dist")
    skipped = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "golden")
    shutil.copytree(ROOT, folder / "copy", ignore=skipped)
    for name in (".dockerignore", ".env.example"):
        shutil.copy(ROOT / name, folder / "copy")
    for weights in (folder / "copy" / "hymotion").rglob("*.safetensors"):
        weights.write_bytes(b"")
    with tarfile.open(build("sdist", folder / "copy", folder / "sdist")) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked


def test_the_sdist_has_what_its_pages_name(sdist: Path) -> None:
    for page in ("README.md", "NOTICE.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text("utf-8")):
            assert (sdist / target).exists(), f"{page}: {target}"
    for needed in ("examples/prompts.csv", "Makefile", "constraints.txt", "benchmarks/__main__.py"):
        assert (sdist / needed).is_file(), needed
    for sources in re.findall(r"^COPY (.+) \S+$", (sdist / "Dockerfile").read_text(), re.MULTILINE):
        assert all((sdist / source).exists() for source in sources.split()), sources
    assert (sdist / "docker" / "postgres-role.sh").stat().st_mode & 0o111
    assert not (sdist / "tests").exists()


def test_the_wheel_has_its_data_and_the_notices_of_others(sdist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build("wheel", sdist, tmp_path / "wheel")) as archive:
        names = set(archive.namelist())
        licences = {name.rpartition("/licenses/")[2] for name in names if "/licenses/" in name}
        (notice,) = (name for name in names if name.endswith("/licenses/NOTICE.md"))
        told = archive.read(notice).decode()
    assert licences == {"LICENSE", "NOTICE.md"}
    assert "mocap.cs.cmu.edu" in told
    assert "Copyright (c) 2018 Xue Bin Peng" in told
    for package in ("hymotion", "jobs", "worker", "migrations"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert path.relative_to(ROOT).as_posix() in names, path
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"hymotion", "jobs", "worker", "migrations"}
    # Whatever was made from recordings is named with them.
    for made in ("judge.npz", "reference.npz", "baseline.json", "models/tiny/", "labels.tsv"):
        assert made in told
        assert any(made in name for name in names)
