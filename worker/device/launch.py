"""Process setup before torch is imported: environment variables and CPU affinity.

It adds to a default launch (docs/cards.md) the affinity to the cores of the device's NUMA node and
time limits on collectives; `worker.device.budget` reserves the memory.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from jobs.domain.cards import CardProfile
from worker.device.discovery import Device, cores_of


def launch_environment(
    device: Device, profile: CardProfile, *, threads: int, cache: Path
) -> Mapping[str, str]:
    """Environment variables for this device. `apply_environment` decides which ones override the
    user's.

    Args:
        device: the only device of the process.
        profile: its card's reference profile.
        threads: maximum number of CPU threads of torch and its libraries.
        cache: folder on a fast disk for compiled kernels and temporary tensors.
    """
    environment = {
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
        "TRITON_CACHE_DIR": str(cache / "triton"),
    }
    if device.uuid is None:
        return environment | {
            # A CPU worker on a GPU machine must not open a context on a card.
            "CUDA_VISIBLE_DEVICES": "",
            # Threads that spin while waiting take cores from working threads: on a busy machine a
            # pack took ten times as long.
            "OMP_WAIT_POLICY": "PASSIVE",
        }
    return environment | {
        "CUDA_VISIBLE_DEVICES": device.uuid,
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "TORCH_NCCL_BLOCKING_WAIT": "1",
        **profile.nccl_env,
    }


def apply_environment(
    wanted: Mapping[str, str], environ: MutableMapping[str, str], *, forced: frozenset[str]
) -> None:
    """Set the variables that are not set yet; those in `forced` are always set."""
    for name, value in wanted.items():
        if name in forced or name not in environ:
            environ[name] = value


def pin(device: Device, profile: CardProfile, *, threads: int | None, cache: Path) -> int:
    """Bind this process to its device and the cores near it; must precede `import torch`.

    Returns:
        The number of CPU threads it may use.
    """
    cores = cores_of(device.numa)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    count = threads or len(cores) or os.cpu_count() or 1
    wanted = launch_environment(device, profile, threads=count, cache=cache)
    forced = frozenset({"CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS"})
    apply_environment(wanted, os.environ, forced=forced)
    return count


@contextlib.contextmanager
def garbage_collection_paused() -> Iterator[None]:
    """Collect no garbage inside, nor look among what was made inside afterwards.

    What a worker imports and loads stays for its life. Looking for garbage among it takes a fifth
    of the time to import torch.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
