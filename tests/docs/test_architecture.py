"""docs/architecture.md names what is there: paths, modules, rooms, arrows, layers, words."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.unit.test_house import imports, modules, rooms

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PACKAGES = ("hymotion", "jobs", "worker")
#: What the page's tables leave out of the arrows, as it says itself.
EVERYWHERE = {
    "hymotion.errors", "hymotion.config", "jobs.errors", "jobs.domain", "worker.errors",
}  # fmt: skip


def spans(page: str) -> list[str]:
    """What a page has between backticks, outside of its blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))


def paths(page: str) -> set[str]:
    """The paths among them: with a slash or a file's extension, as `jobs/store/` or `README.md`."""
    return {
        word for word in spans(page) if re.fullmatch(r"[\w.-]+(/[\w.-]*)+|[\w-]+\.(toml|md)", word)
    }


PATHS = paths(PAGE)
MODULES = {
    found
    for word in spans(PAGE)
    for found in re.findall(rf"(?<![\w/.])(?:{'|'.join(PACKAGES)})(?:\.\w+)+", word)
}
CELLS = [
    [cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if "|" in line
]
#: Room → the rooms that the page says it imports.
ARROWS = {
    cells[0].strip("`").rstrip("/").removesuffix(".py").replace("/", "."): set(cells[2].split())
    for cells in CELLS
    if len(cells) == 3 and re.fullmatch(rf"`({'|'.join(PACKAGES)})/\w+(/|\.py)`", cells[0])
}
GLOSSARY = {
    cells[0]: cells[2].strip("`")
    for cells in CELLS
    if len(cells) == 3 and re.fullmatch(r"[A-Z]\w+", cells[0])
}


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 200


def test_paths_are_there() -> None:
    assert len(PATHS) > 100, "the pattern still matches what the page shows"
    assert [path for path in sorted(PATHS) if not (ROOT / path).exists()] == []


def test_paths_of_the_guide_are_there() -> None:
    guide = {path for path in paths(GUIDE) if "NNNN" not in path}
    assert len(guide) > 20, "the pattern still matches what the page shows"
    assert [path for path in sorted(guide) if not (ROOT / path).exists()] == []


def test_folders_end_in_a_slash() -> None:
    assert [path for path in PATHS if (ROOT / path).is_dir() and not path.endswith("/")] == []


def test_modules_are_there() -> None:
    assert MODULES, "the pattern still matches what the page shows"
    assert sorted(MODULES - set(modules(ROOT))) == []


def test_every_room_is_named() -> None:
    folders = {
        path.parent.relative_to(ROOT).as_posix() for path in modules(ROOT, PACKAGES).values()
    }
    assert sorted(folders - {path.rstrip("/") for path in PATHS} - set(PACKAGES)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_arrows_are_those_of_the_code(package: str) -> None:
    found = {
        room: {other.rpartition(".")[2] for other in others - EVERYWHERE}
        for room, others in rooms(imports(ROOT), package).items()
    }
    shown = {room: others for room, others in ARROWS.items() if room.startswith(f"{package}.")}
    assert len(shown) >= 9
    assert shown == {room: found[room] for room in shown}


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_are_those_of_the_contracts(package: str) -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    [layers] = [
        contract["layers"]
        for contract in contracts["tool"]["importlinter"]["contracts"]
        if contract["name"] == f"rooms of {package}"
    ]
    [drawing] = re.findall(r"```\n(hymotion .*?)```", PAGE, re.DOTALL)
    heads, _, *lines = drawing.splitlines()
    starts = [heads.index(name) for name in PACKAGES] + [None]
    start, end = starts[PACKAGES.index(package)], starts[PACKAGES.index(package) + 1]
    drawn = [cell for line in lines if (cell := line[start:end].strip())]
    assert drawn == [layer for layer in layers if layer != "__main__"]


def test_words_of_the_glossary_are_those_of_the_code() -> None:
    assert len(GLOSSARY) >= 25
    for word, path in GLOSSARY.items():
        # Classes and names are words too: EncoderPlacement, pack_limit.
        text = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", (ROOT / path).read_text("utf-8"))
        assert re.search(rf"\b{word}(s|d|ed|ing)?\b", text, re.IGNORECASE), f"{word} in {path}"
