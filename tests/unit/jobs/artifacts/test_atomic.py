"""A file appears complete or not at all, even with concurrent writers."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread

import pytest

from jobs.artifacts.atomic import atomic, output
from jobs.artifacts.temporary import link_path, temporary_path
from jobs.errors import OutputError


def test_a_file_lands_whole_or_not_at_all(tmp_path: Path) -> None:
    final = tmp_path / "a" / "b.txt"
    with output(final) as part:
        part.write_text("first")
        assert not final.exists()

    def break_off() -> None:
        with output(final) as part:
            part.write_text("second")
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert final.read_text() == "first"
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="--out"), output(tmp_path / "file" / "c.txt"):
        pass
    assert [path.name for path in final.parent.iterdir()] == ["b.txt"]


def test_a_block_that_leaves_no_file_leaves_what_was_there(tmp_path: Path) -> None:
    final = tmp_path / "rows.invalid.csv"
    final.write_text("earlier")
    with atomic(final) as part:
        part.write_text("nothing worth keeping")
        part.unlink()
    assert final.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [final]


@pytest.mark.parametrize("name", [temporary_path, link_path])
def test_containers_whose_processes_share_an_id_choose_different_names(tmp_path, name) -> None:
    assert len({name(tmp_path / "manifest.jsonl") for _ in range(100)}) == 100


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """Two containers with one host name may write a manifest at once with the same process id."""
    final, both = tmp_path / "manifest.jsonl", Barrier(2, timeout=60)

    def write(text: str) -> None:
        with atomic(final) as part:
            part.write_text(text)
            both.wait()

    threads = [Thread(target=write, args=(text * 1000,)) for text in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert final.read_text() in {"a" * 1000, "b" * 1000}
    assert list(tmp_path.iterdir()) == [final]
