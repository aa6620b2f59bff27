"""The launch: what must be set before torch is imported, and where the process runs.

Three keys that a stock launch lacks (docs/cards.md): affinity to the cores of the device's NUMA
node, memory reserved up front, and time limits on collectives.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from jobs.domain.cards import CardProfile
from worker.device.discovery import Device, cores_of


def launch_environment(
    device: Device, profile: CardProfile, *, threads: int, cache: Path
) -> Mapping[str, str]:
    """Environment variables for this device. Those a user set already are not in the way: see
    `apply_environment`.

    Args:
        device: the process's one device.
        profile: its card's reference profile.
        threads: bound on CPU threads of torch and its libraries.
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
            # A CPU worker on a GPU machine must not open a context on a card it does not own.
            "CUDA_VISIBLE_DEVICES": "",
            # Threads that spin while they wait take the cores from those that work: on a machine
            # with anything else to do a pack took ten times as long.
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
    """Set what is not set yet; `forced` names are set whatever was there."""
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
