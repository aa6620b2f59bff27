"""Measures the peak of device memory during one pack."""

from __future__ import annotations

from typing import Protocol

from jobs.domain.memory import GIB


class MemoryMeter(Protocol):
    """Measures the peak of one pack."""

    def reset(self) -> None:
        """Start a new measurement."""

    def sample(self) -> None:
        """Take a sample, if the device does not record the peak itself."""

    def peak(self) -> int:
        """The peak since `reset`, in bytes."""


class CudaMeter:
    """Reads the peak that torch's caching allocator records."""

    def reset(self) -> None:
        """Start a new measurement."""
        import torch

        torch.cuda.reset_peak_memory_stats(0)

    def sample(self) -> None:
        """Do nothing: the allocator records the peak itself."""

    def peak(self) -> int:
        """Peak bytes allocated on the device."""
        import torch

        return int(torch.cuda.max_memory_allocated(0))


class ResidentMeter:
    """Samples the resident set of the process at every step; used for the CPU."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._peak = 0

    def reset(self) -> None:
        """Start a new measurement."""
        self._peak = 0
        self.sample()

    def sample(self) -> None:
        """Take a sample."""
        self._peak = max(self._peak, int(self._process.memory_info().rss))

    def peak(self) -> int:
        """The largest sample, in bytes."""
        self.sample()
        return self._peak


def memory_meter(device: str) -> MemoryMeter:
    """The meter of a device."""
    return ResidentMeter() if device == "cpu" else CudaMeter()


#: The share of the budget that other processes may use before jobs run short of it. A worker
#: reserves less than its whole budget at its start.
SPARE = 0.1


def shortage(device: str, budget: int) -> str | None:
    """Why device memory of this worker's budget is not there; None: it is, or it is the CPU's.

    Torch returns its unused memory to the driver before it fails for want of memory, and another
    process may take it then.

    Args:
        device: the device's name in torch.
        budget: the worker's memory budget, bytes.
    """
    if device == "cpu":
        return None
    import torch

    free, _ = torch.cuda.mem_get_info(0)
    missing = budget - free - torch.cuda.memory_reserved(0)
    if missing <= SPARE * budget:
        return None
    return (
        f"other processes use {missing / GIB:.3g} GiB of the {budget / GIB:.3g} GiB of device "
        "memory that this worker was given; stop them"
    )
