"""`hymo prune`: what ended long ago goes, by name, and nothing else."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hymotion.text.store import EmbeddingStore
from jobs.artifacts.folder import MARK
from jobs.artifacts.temporary import link_path, part_path, temporary_path
from jobs.store.store import Store
from tests.cli.calling import Hymo
from tests.cli.made import night
from tests.unit.hymotion.text.test_store import make_text

DAY = 86400.0
OLD = ("--older-than", "30d")


def age(store: Store, days: float, batch: str = "night") -> None:
    """Let a batch be `days` older."""
    with store.engine.begin() as connection:
        for statement in (
            "UPDATE jobs SET finished_at = finished_at - :s WHERE batch_id = :b",
            "UPDATE batches SET created_at = created_at - :s WHERE id = :b",
        ):
            connection.execute(text(statement), {"s": days * DAY, "b": store.batches.get(batch).id})


def dump(store: Store) -> dict[str, int]:
    """Number of rows of each table that a batch has rows in."""
    names = ("batches", "jobs", "attempts", "artifacts", "motion_features")
    with store.engine.connect() as connection:
        return {
            n: connection.execute(text(f"SELECT count(*) FROM {n}")).scalar_one() for n in names
        }


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def pruned(hymo_: Hymo, *words: str, code: int = 0) -> Any:
    result = hymo_("prune", *OLD, *words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def out(hymo_: Hymo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The output folder of the settings."""
    monkeypatch.setenv("HYMO_OUTPUT", str(tmp_path / "out"))
    return tmp_path / "out"


@pytest.fixture
def ended(sqlite_url: str, out: Path) -> Iterator[Store]:
    """A batch from before there were marks that ended 40 days ago: three motions, one failed job,
    one cancelled."""
    with night(sqlite_url, out) as store:
        store.control.cancel(batch_id=1)
        age(store, 40)
        yield store


def mark(store: Store, batch: str = "night", token: str = "t1") -> Path:
    """Give a batch's folder a mark."""
    with store.engine.begin() as connection:
        connection.execute(
            text("UPDATE batches SET token = :t WHERE name = :b"), {"t": token, "b": batch}
        )
    folder = store.batches.get(batch).folder
    (folder / MARK).write_text(json.dumps({"token": token}))
    return folder


def test_a_dry_run_says_what_would_go_and_changes_nothing(
    ended: Store, hymo_: Hymo, out: Path
) -> None:
    before, files = dump(ended), tree(out)
    sizes = sum(path.stat().st_size for path in (out / "night").iterdir())
    result = hymo_("prune", *OLD)
    assert result.exit_code == 0
    heading, row, said = result.stdout.splitlines()
    assert heading.split() == ["BATCH", "JOBS", "ATTEMPTS", "FEATURES", "FILES", "SIZE"]
    assert row.split()[:5] == ["night", "5", "4", "0", "3"]
    assert said == "would remove 1 batch and 0 encoded texts (0 B); --yes removes them"
    assert pruned(hymo_) == {
        "schema": "hymo.prune/1", "removed": False, "left": [], "texts": {"files": 0, "bytes": 0},
        "batches": [{
            "name": "night", "jobs": 5, "attempts": 4, "features": 0, "files": 3, "bytes": sizes,
            "foreign": False, "fault": None,
        }],
    }  # fmt: skip
    assert (dump(ended), tree(out)) == (before, files)


def test_everything_of_the_batch_goes(ended: Store, hymo_: Hymo, out: Path) -> None:
    """Motions, previews, exports, the manifest, the mark, and what killed writers left."""
    folder = mark(ended)
    for command in ("preview", "export"):
        assert hymo_(command, "night", "--json").exit_code == 1  # not all jobs have a motion
    motion = folder / "wave_s0.npz"
    parts = [part_path(motion, 2), temporary_path(motion), link_path(motion)]
    parts += [temporary_path(folder / "manifest.jsonl"), temporary_path(folder / "probe")]
    parts += [temporary_path(folder / "preview" / "wave_s0.png")]
    for path in (folder / "manifest.jsonl", *parts):
        path.touch()
    count = sum(path.is_file() for path in folder.rglob("*"))
    found = pruned(hymo_, "--yes")
    assert (found["removed"], found["batches"][0]["files"]) == (True, count)
    assert tree(out) == []
    assert set(dump(ended).values()) == {0}
    assert pruned(hymo_, "--yes")["batches"] == []


def test_links_and_foreign_files_survive(
    ended: Store, hymo_: Hymo, out: Path, tmp_path: Path
) -> None:
    folder = mark(ended)
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in ("walk_s0.npz", "wave_s0.png", "mine.npz"):
        (secret / name).write_text("kept")
    (folder / "walk_s0.npz").unlink()
    (folder / "walk_s0.npz").symlink_to(secret / "walk_s0.npz")
    (folder / "preview").symlink_to(secret)
    foreign = ("notes.txt", "wave_s0.txt", "other_s0.npz", ".wave_s0.npz.part", "probe")
    for name in foreign:
        (folder / name).touch()
    (folder / "export").mkdir()
    (folder / "export" / "wave_s0.fbx").touch()
    found = pruned(hymo_, "--yes")
    assert found["batches"][0]["foreign"]
    assert tree(folder) == sorted(
        [*foreign, "walk_s0.npz", "preview", "export", "export/wave_s0.fbx"]
    )
    assert sorted(path.read_text() for path in secret.iterdir()) == ["kept"] * 3
    assert set(dump(ended).values()) == {0}


@pytest.mark.parametrize(
    ("marked", "fault"),
    [(False, "is a link, or not a folder"), (True, "leads out of its output folder")],
)
def test_a_folder_that_is_a_link_is_left(
    ended: Store, hymo_: Hymo, out: Path, marked: bool, fault: str
) -> None:
    folder = mark(ended) if marked else ended.batches.get("night").folder
    moved = folder.rename(out / "moved")
    folder.symlink_to(moved)
    files = tree(moved)
    [found] = pruned(hymo_, "--yes", code=1)["batches"]
    assert found["fault"].startswith(f"its folder {folder} {fault}")
    assert (dump(ended)["jobs"], tree(moved)) == (5, files)


@pytest.mark.parametrize(
    ("column", "value"),
    [("name", "../secret"), ("name", ".."), ("custom_id", "../../secret/x")],
)
def test_a_tampered_row_reaches_no_other_file(
    ended: Store, hymo_: Hymo, out: Path, tmp_path: Path, column: str, value: str
) -> None:
    (out / "x").mkdir()
    (tmp_path / "secret").mkdir()
    names = ("wave_s0.npz", "x_s0.npz", "manifest.jsonl")
    for name in names:
        (tmp_path / "secret" / name).touch()
        (tmp_path / name).touch()
    table = "batches" if column == "name" else "jobs"
    with ended.engine.begin() as connection:
        connection.execute(text(f"UPDATE {table} SET {column} = :v WHERE id = 1"), {"v": value})
    pruned(hymo_, "--yes", code=int(column == "name"))
    assert sorted(path.name for path in (tmp_path / "secret").iterdir()) == sorted(names)
    assert all((tmp_path / name).exists() for name in names)


def test_another_output_folder_needs_the_mark(ended: Store, hymo_: Hymo, tmp_path: Path) -> None:
    """A row may name any folder. Only a mark, or our own setting, says that it is a batch's."""
    other = tmp_path / "victim" / "night"
    other.mkdir(parents=True)
    (other / "wave_s0.npz").touch()
    with ended.engine.begin() as connection:
        connection.execute(text("UPDATE batches SET output = :o"), {"o": str(other.parent)})
    for token, fault in ((None, "has no mark and is not in"), ("t1", "is not mounted")):
        with ended.engine.begin() as connection:
            connection.execute(text("UPDATE batches SET token = :t"), {"t": token})
        [found] = pruned(hymo_, "--yes", code=1)["batches"]
        assert fault in found["fault"]
        assert (found["jobs"], dump(ended)["jobs"], tree(other)) == (0, 5, ["wave_s0.npz"])
    pruned(hymo_, "--yes", "--keep-files")
    assert (dump(ended)["jobs"], tree(other)) == (0, ["wave_s0.npz"])


def test_a_batch_that_is_young_or_not_finished_is_left(
    sqlite_url: str, hymo_: Hymo, out: Path
) -> None:
    with night(sqlite_url, out) as store:
        age(store, 40)
        files = tree(out)
        assert pruned(hymo_, "--yes")["batches"] == []
        [left] = pruned(hymo_, "--yes", "--batch", "night", code=1)["left"]
        assert left == {"name": "night", "reason": "1 job queued or running"}
        store.control.cancel(batch_id=1)
        [left] = pruned(hymo_, "--yes", "--batch", "night", code=1)["left"]
        assert left["reason"].startswith("it changed ")
        assert (dump(store)["jobs"], tree(out)) == (5, files)
    assert hymo_("prune", *OLD, "--batch", "knight").exit_code == 3


def test_only_texts_that_were_not_used_for_so_long_go(
    ended: Store, hymo_: Hymo, tmp_path: Path
) -> None:
    root, now = tmp_path / "home" / "embeddings", [0.0]
    texts = EmbeddingStore(root, revision="te-1", capacity=2**30, clock=lambda: now[0])
    for prompt, days in (("old", 40), ("used", 40), ("new", 1)):
        now[0] = time.time() - days * DAY
        assert texts.put(prompt, make_text(1))
    now[0] = time.time()
    assert texts.get("used") is not None
    foreign = root / "te-1" / "ab" / "notes.txt"
    foreign.parent.mkdir(exist_ok=True)
    foreign.touch()
    os.utime(foreign, (0, 0))
    (root / "link").symlink_to(root / "te-1")
    assert pruned(hymo_, "--batch", "night")["texts"] is None
    assert pruned(hymo_)["texts"]["files"] == 1
    assert texts.has("old")
    assert pruned(hymo_, "--yes")["texts"]["files"] == 1
    assert [texts.has(prompt) for prompt in ("old", "used", "new")] == [False, True, True]
    assert foreign.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Missing option '--older-than'"),
        (("--older-than", "2026-01-31"), "write an age: 30d, 12h or 8w"),
        (("--older-than", "5m"), "must be at least 16 m 30 s"),
    ],
)
def test_ages_that_are_refused(hymo_: Hymo, words: tuple[str, ...], said: str) -> None:
    result = hymo_("prune", *words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
