"""What workers are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.errors import SettingsError
from worker.options import WorkerOptions, models, modes, worker_options


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("full", ("full",)),
        ("lite,full", ("full", "lite")),
        (" lite , lite ", ("lite",)),
        ("full,,lite,", ("full", "lite")),
    ],
)
def test_lists_of_names(text: str, found: tuple[str, ...]) -> None:
    assert modes(text) == found


@pytest.mark.parametrize("text", ["", ",", " "])
def test_a_list_of_nothing(text: str) -> None:
    with pytest.raises(SettingsError, match="give at least one of full, lite"):
        modes(text)


@pytest.mark.parametrize("text", ["huge", "full;lite", "FULL", "auto"])
def test_unknown_modes_name_the_known(text: str) -> None:
    with pytest.raises(SettingsError, match="must be out of full, lite") as caught:
        modes(text)
    assert caught.value.exit_code == 2


def test_unknown_models_name_the_known() -> None:
    with pytest.raises(SettingsError, match=r"--models='x': must be out of tiny, null"):
        models("x")


@pytest.mark.parametrize(
    ("asked", "present", "chosen"),
    [
        ("auto", ("cpu",), ["cpu"]),
        ("auto", ("cuda:0", "cuda:1", "cpu"), ["cuda:0", "cuda:1"]),
        ("cpu", ("cuda:0", "cpu"), ["cpu"]),
        ("1, 0", ("cuda:0", "cuda:1", "cpu"), ["1", "0"]),
        ("cpu,cpu", ("cpu",), ["cpu"]),
    ],
)
def test_there_is_one_worker_a_device(
    asked: str, present: tuple[str, ...], chosen: list[str]
) -> None:
    each = WorkerOptions(memory_gib=3, modes=("lite",), models=("null",))
    workers = worker_options(asked, present, each)
    assert [one.device for one in workers] == chosen
    assert {replace(one, device="auto") for one in workers} == {each}
