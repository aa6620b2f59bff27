"""How the packages are built: no import circle, one class a name, no splinters, no overgrown file.

Every check is a function over a tree of files that returns what is wrong with it, so that each is
tried on a small tree with that very fault as well as on our own. The sources are parsed and never
imported: an import inside a function or under `TYPE_CHECKING` counts like any other.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("hymotion", "jobs", "worker", "migrations")
#: A module shorter than this belongs in the one module that imports it.
SPLINTER = 25
#: Lines of the longest file.
LONGEST = 400

#: Module → the modules that it imports. A package's `__init__.py` is the module of its name.
Graph = Mapping[str, frozenset[str]]


def modules(root: Path, packages: tuple[str, ...] = PACKAGES) -> dict[str, Path]:
    """The modules of a tree and their files."""
    found = {}
    for path in sorted(each for package in packages for each in (root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path, packages: tuple[str, ...] = PACKAGES) -> Graph:
    """What every module imports of the tree.

    `from a.b import c` is an import of `a.b.c` if that is a module, and else of `a.b`, whose
    `__init__.py` has the name. Python runs the `__init__.py` of `a` and `a.b` on the way, but that
    counts for nothing here: a package could not hand on a name of its own modules otherwise.
    """
    files = modules(root, packages)
    return {
        name: frozenset(_named(ast.parse(path.read_text("utf-8")), name, path, files))
        for name, path in files.items()
    }


def _named(tree: ast.AST, name: str, path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                if inner in files or source in files:
                    yield inner if inner in files else source


def circle(graph: Graph) -> list[str]:
    """Modules that import each other round in a circle, or one that imports itself; else none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def rooms(graph: Graph, package: str) -> Graph:
    """The arrows between what lies directly in a package, its rooms and its own modules."""
    start = package + "."
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, others in graph.items():
        if not module.startswith(start):
            continue
        room = start + module.removeprefix(start).partition(".")[0]
        inner = {o.removeprefix(start).partition(".")[0] for o in others if o.startswith(start)}
        arrows[room] |= {start + other for other in inner} - {room}
    return {room: frozenset(others) for room, others in arrows.items()}


def namesakes(root: Path, packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Classes of one name in several places, nested and private ones too."""
    found = defaultdict(list)
    for path in modules(root, packages).values():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{path.relative_to(root)}:{node.lineno}")
    return [f"{name}: {', '.join(at)}" for name, at in sorted(found.items()) if len(at) > 1]


def splinters(root: Path, packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Short modules with one importer.

    No list of exceptions is needed for those that would close a circle: what such a module imports
    cannot reach its importer, or the two of them were in a circle already.
    """
    graph = imports(root, packages)
    found = []
    for name, path in modules(root, packages).items():
        users = [module for module, others in graph.items() if name in others]
        lines = _lines(path)
        if path.stem not in {"__init__", "__main__"} and lines < SPLINTER and len(users) == 1:
            found.append(f"{path.relative_to(root)} ({lines} lines) belongs in {users[0]}")
    return found


def undescribed(root: Path, packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Folders with Python files and no `__init__.py` that says what they are."""
    folders = sorted({path.parent for path in modules(root, packages).values()})
    return [
        str(folder.relative_to(root))
        for folder in folders
        if not (init := folder / "__init__.py").exists()
        or not ast.get_docstring(ast.parse(init.read_text("utf-8")))
    ]


def overgrown(root: Path, packages: tuple[str, ...] = PACKAGES) -> list[str]:
    """Files of too many lines."""
    return [
        f"{path.relative_to(root)}: {_lines(path)} lines"
        for path in modules(root, packages).values()
        if _lines(path) > LONGEST
    ]


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


# Our own tree.


@pytest.fixture(scope="module")
def graph() -> Graph:
    return imports(ROOT)


def test_no_circle_of_imports(graph: Graph) -> None:
    assert not circle(graph)


def test_no_room_imports_one_that_imports_it(graph: Graph) -> None:
    packages = [name for name, path in modules(ROOT).items() if path.stem == "__init__"]
    assert len(packages) > 30, "our rooms are packages"
    assert not [found for name in packages if (found := circle(rooms(graph, name)))]


def test_a_class_has_a_name_of_its_own() -> None:
    assert not namesakes(ROOT)


def test_no_splinters() -> None:
    assert not splinters(ROOT)


def test_every_folder_says_what_it_is() -> None:
    assert not undescribed(ROOT)


def test_no_file_is_overgrown() -> None:
    assert not overgrown(ROOT)


# Trees with the fault, and trees that only look as if they had it.


def made(root: Path, **files: str) -> Path:
    """A tree with a package `a`; `b__c` is `a/b/c.py`, and every folder has its `__init__.py`."""
    for name, text in {"__init__": '"""A."""', **files}.items():
        parts = name.split("__") if not name.startswith("__") else [name]
        path = root.joinpath("a", *parts[:-1], f"{parts[-1] or '__init__'}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        init = path.parent / "__init__.py"
        init.exists() or init.write_text('"""A room."""', "utf-8")
    return root


@pytest.mark.parametrize(
    "back",
    [
        "import a.one",
        "from a import one",
        "from a.one import Thing",
        "from .one import Thing",
        "from . import one",
        "def late():\n    from a.one import Thing",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from a.one import Thing",
    ],
)
def test_a_circle_is_found_however_it_is_written(tmp_path: Path, back: str) -> None:
    made(tmp_path, one="import a.two\nclass Thing: ...", two=back)
    found = circle(imports(tmp_path, ("a",)))
    assert set(found) == {"a.one", "a.two"}
    graph = imports(tmp_path, ("a",))
    assert all(after in graph[before] for before, after in pairwise(found))


def test_a_module_that_imports_itself_is_a_circle(tmp_path: Path) -> None:
    made(tmp_path, one="from a import one")
    assert circle(imports(tmp_path, ("a",))) == ["a.one", "a.one"]


def test_a_package_may_hand_on_its_modules(tmp_path: Path) -> None:
    made(tmp_path, b__="from a.b.one import Thing", b__one="from a.b.two import Other", b__two="")
    assert not circle(imports(tmp_path, ("a",)))


def test_a_module_that_uses_what_its_package_hands_on_is_in_a_circle(tmp_path: Path) -> None:
    made(tmp_path, b__="from a.b.one import Thing", b__one="from a.b import Thing")
    assert set(circle(imports(tmp_path, ("a",)))) == {"a.b", "a.b.one"}


def test_rooms_in_a_circle_are_found_where_no_file_is(tmp_path: Path) -> None:
    made(
        tmp_path, low__one="", high__two="from a.low import one", high__three="",
        low__four="from a.high.three import x",
    )  # fmt: skip
    graph = imports(tmp_path, ("a",))
    assert not circle(graph)
    assert set(circle(rooms(graph, "a"))) == {"a.low", "a.high"}
    assert not circle(rooms(graph, "a.low"))


def test_rooms_with_arrows_one_way_are_no_circle(tmp_path: Path) -> None:
    made(tmp_path, low__one="", low__two="from a.low import one", high__two="from a.low import one")
    assert rooms(imports(tmp_path, ("a",)), "a")["a.high"] == {"a.low"}
    assert not circle(rooms(imports(tmp_path, ("a",)), "a"))


def test_namesakes_are_found_nested_and_private(tmp_path: Path) -> None:
    made(
        tmp_path, one="class _Plan: ...", two="class Outer:\n    class _Plan: ...",
        three="class Plan: ...",
    )  # fmt: skip
    assert namesakes(tmp_path, ("a",)) == ["_Plan: a/one.py:1, a/two.py:2"]


def test_splinters_are_short_and_have_one_importer(tmp_path: Path) -> None:
    made(
        tmp_path, once="x = 1\n" * (SPLINTER - 1), long="x = 1\n" * SPLINTER, twice="x = 1",
        never="", two="from a import long, once, twice\n" * SPLINTER, three="from a import twice",
    )  # fmt: skip
    assert splinters(tmp_path, ("a",)) == ["a/once.py (24 lines) belongs in a.two"]


def test_a_folder_needs_an_init_with_a_docstring(tmp_path: Path) -> None:
    made(tmp_path, good__one="", silent__="x = 1", silent__one="", bare__one="")
    (tmp_path / "a" / "bare" / "__init__.py").unlink()
    assert undescribed(tmp_path, ("a",)) == ["a/bare", "a/silent"]


def test_overgrown_files_are_found(tmp_path: Path) -> None:
    made(tmp_path, one="\n" * LONGEST, two="\n" * (LONGEST + 1))
    assert overgrown(tmp_path, ("a",)) == ["a/two.py: 401 lines"]
