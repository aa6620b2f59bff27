"""Devices, where no driver is asked."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.device import discovery
from worker.device.discovery import Device, cores_of, cpu_device, find_device, parse_cores
from worker.errors import DeviceChoiceError


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0", {0}),
        ("0-3", {0, 1, 2, 3}),
        ("0-3,8", {0, 1, 2, 3, 8}),
        ("0-1,4-5,9\n", {0, 1, 4, 5, 9}),
        ("", set()),
        ("\n", set()),
    ],
)
def test_the_kernels_core_lists(text: str, cores: set[int]) -> None:
    assert parse_cores(text) == cores


@given(st.frozensets(st.integers(0, 200)))
def test_core_lists_come_back(cores: frozenset[int]) -> None:
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][1] + 1:
            runs[-1][1] = core
        else:
            runs.append([core, core])
    text = ",".join(f"{a}-{b}" if a != b else f"{a}" for a, b in runs)
    assert parse_cores(text) == cores


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux alone")
def test_an_unknown_node_gives_every_core_allowed() -> None:
    allowed = frozenset(os.sched_getaffinity(0))
    assert cores_of(None) == allowed
    assert cores_of(12_345) == allowed
    assert cores_of(0) <= allowed


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tuple(Device(f"cuda:{n}", "NVIDIA A10", 24 * 2**30, uuid=f"GPU-{n}") for n in (0, 1))
    monkeypatch.setattr(discovery, "gpu_devices", lambda: found)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("asked", "found"),
    [("auto", "cuda:0"), ("cuda:1", "cuda:1"), ("1", "cuda:1"), ("0", "cuda:0"), ("cpu", "cpu")],
)
def test_devices_are_found_by_name_or_number(asked: str, found: str) -> None:
    assert find_device(asked).name == found


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize("asked", ["cuda:2", "2", "tpu", "", "-1", "cuda:", "٣"])
def test_a_device_that_is_not_there_names_those_that_are(asked: str) -> None:
    with pytest.raises(DeviceChoiceError, match="this machine has cuda:0, cuda:1, cpu; choose one"):
        find_device(asked)


def test_without_a_gpu_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "gpu_devices", tuple)
    assert find_device("auto") == cpu_device()
    assert cpu_device().memory_bytes > 0


@pytest.mark.parametrize(
    ("capability", "dtype"),
    [(None, "float32"), ((7, 0), "float16"), ((7, 5), "float16"), ((8, 0), "bfloat16"),
     ((9, 0), "bfloat16"), ((12, 0), "bfloat16")],
)  # fmt: skip
def test_the_fastest_type(capability: tuple[int, int] | None, dtype: str) -> None:
    assert Device("x", "x", 1, capability=capability).dtype == dtype
