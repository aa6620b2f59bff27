"""The launch: environment and cores."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from jobs.domain.cards import profile
from jobs.domain.memory import GIB
from worker.device.discovery import Device
from worker.device.launch import (
    apply_environment,
    garbage_collection_paused,
    launch_environment,
    pin,
)

CPU = Device(name="cpu", card="CPU", memory_bytes=8 * GIB)
GPU = Device(
    name="cuda:1", card="Tesla V100-SXM2-32GB", memory_bytes=32 * GIB, uuid="GPU-abc",
    capability=(7, 0), nvlink=True,
)  # fmt: skip


def environment(device: Device) -> dict[str, str]:
    return dict(launch_environment(device, profile(device.card), threads=4, cache=Path("/fast")))


def test_a_cpu_worker_sees_no_gpu() -> None:
    found = environment(CPU)
    assert found["CUDA_VISIBLE_DEVICES"] == ""
    assert found["OMP_NUM_THREADS"] == found["MKL_NUM_THREADS"] == "4"
    assert "PYTORCH_CUDA_ALLOC_CONF" not in found


def test_a_gpu_worker_sees_its_own_by_uuid() -> None:
    found = environment(GPU)
    assert found["CUDA_VISIBLE_DEVICES"] == "GPU-abc"
    assert found["PYTORCH_CUDA_ALLOC_CONF"] == "expandable_segments:True"
    assert found["TRITON_CACHE_DIR"] == "/fast/triton"


def test_the_cards_collective_settings_are_there() -> None:
    assert profile("V100").nccl_env.items() <= environment(GPU).items()


def test_what_a_user_set_stays_unless_forced() -> None:
    environ = {"A": "user", "B": "user"}
    wanted = {"A": "ours", "B": "ours", "C": "ours"}
    apply_environment(wanted, environ, forced=frozenset({"B"}))
    assert environ == {"A": "user", "B": "ours", "C": "ours"}


def test_pinning_sets_the_environment_before_torch(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ, TRITON_CACHE_DIR="/mine"))
    assert pin(CPU, profile("CPU"), threads=3, cache=tmp_path) == 3
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert os.environ["TRITON_CACHE_DIR"] == "/mine"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux alone")
def test_without_a_number_the_threads_are_the_cores_near_by(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert pin(CPU, profile("CPU"), threads=None, cache=tmp_path) == len(os.sched_getaffinity(0))


def test_garbage_is_collected_again_after_a_load_that_failed() -> None:
    def load(loaded: list[object]) -> None:
        with garbage_collection_paused():
            assert not gc.isenabled()
            raise MemoryError(loaded)

    loaded = [object()]
    with pytest.raises(MemoryError):
        load(loaded)
    assert gc.isenabled()
    assert all(each is not loaded for each in gc.get_objects()), "what was loaded is not looked at"
