"""Meters: the peak of device memory during one pack."""

from __future__ import annotations

from typing import Protocol


class MemoryMeter(Protocol):
    """Measures the peak of one pack."""

    def reset(self) -> None:
        """Begin anew."""

    def look(self) -> None:
        """Take a sample, where the device keeps no peak itself."""

    def peak(self) -> int:
        """Bytes."""


class CudaMeter:
    """The caching allocator keeps the peak."""

    def reset(self) -> None:
        """Begin anew."""
        import torch

        torch.cuda.reset_peak_memory_stats(0)

    def look(self) -> None:
        """The allocator looks by itself."""

    def peak(self) -> int:
        """Peak bytes allocated on the device."""
        import torch

        return int(torch.cuda.max_memory_allocated(0))


class ResidentMeter:
    """The process's resident set, sampled at every step: a CPU's device memory is the machine's."""

    def __init__(self) -> None:
        import psutil

        self._process = psutil.Process()
        self._peak = 0

    def reset(self) -> None:
        """Begin anew."""
        self._peak = 0
        self.look()

    def look(self) -> None:
        """Sample now."""
        self._peak = max(self._peak, int(self._process.memory_info().rss))

    def peak(self) -> int:
        """Largest sample, bytes."""
        self.look()
        return self._peak


def memory_meter(device: str) -> MemoryMeter:
    """The meter of a device."""
    return ResidentMeter() if device == "cpu" else CudaMeter()
