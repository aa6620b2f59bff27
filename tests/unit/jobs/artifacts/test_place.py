"""Files of a job stay below the folder of its batch, whatever its row says."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.artifacts.folder import LINKED, OUTSIDE, Sight, look
from jobs.artifacts.place import PlaceError, is_below, job_file


@pytest.mark.parametrize("name", ["wave", "a b", "con", "x.", "ü", "..x", "-x"])
def test_every_name_of_a_file_is_accepted(name: str) -> None:
    """Versions of before accepted other names than this one."""
    assert job_file("/m", "night", name, 7, "npz") == Path(f"/m/night/{name}_s7.npz")
    assert job_file("/m", name, "x", 7, "npz") == Path(f"/m/{name}/x_s7.npz")


@pytest.mark.parametrize(
    "row",
    [
        {"custom_id": "../../../victim/x"},
        {"custom_id": "a/b"},
        {"custom_id": "/etc/x"},
        {"custom_id": "a\\b"},
        {"custom_id": "a\0b"},
        {"batch": ".."},
        {"batch": "."},
        {"batch": ""},
        {"batch": "../victim"},
        {"batch": "/victim"},
        {"format_": "../x"},
        {"format_": "part"},
        {"seed": "/../../x"},
        {"output": "motions"},
        {"output": ""},
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(row: dict[str, str]) -> None:
    usual = {"output": "/m", "batch": "night", "custom_id": "wave", "seed": 7, "format_": "npz"}
    with pytest.raises(PlaceError, match=r"in the database .*: nothing is written"):
        job_file(**(usual | row))  # type: ignore[arg-type]  # SQLite stores text in any column


def test_roots(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "alias").symlink_to(tmp_path / "root")
    roots = [tmp_path / "root"]
    assert is_below(tmp_path / "root", roots)
    assert is_below(tmp_path / "root" / "new", roots)
    assert is_below(tmp_path / "alias" / "new", [tmp_path / "alias"])
    assert is_below(tmp_path / "elsewhere", [])
    assert not is_below(tmp_path / "elsewhere", roots)
    assert not is_below(tmp_path / "rootless", roots)
    assert not is_below(tmp_path / "root" / ".." / "elsewhere", roots)
    assert not is_below(tmp_path / "root" / "link", roots)


def test_a_folder_outside_of_the_roots_is_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "output" / "night"
    folder.parent.mkdir()
    assert look(folder, "", roots=[tmp_path / "root"]) == Sight(fault=OUTSIDE)
    assert look(folder, None, roots=[tmp_path / "root"]) == Sight(fault=OUTSIDE)
    assert not folder.exists()
    assert look(folder, "", roots=[tmp_path]).fault is None


@pytest.mark.parametrize("token", ["", "t"])
def test_a_link_in_place_of_a_batchs_folder_is_not_followed(tmp_path: Path, token: str) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "night").symlink_to(victim)
    assert look(tmp_path / "output" / "night", token) == Sight(fault=LINKED)
    assert list(victim.iterdir()) == []


def test_an_output_folder_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "output").symlink_to(tmp_path / "disk")
    assert look(tmp_path / "output" / "night", "").fault is None
