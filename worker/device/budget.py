"""The worker's memory budget, and reserving it so that a run fails at start, not at night."""

from __future__ import annotations

import math

from jobs.domain.memory import GIB, classes_within
from jobs.errors import SettingsError
from worker.device.discovery import CPU_SHARE, Device
from worker.errors import BudgetError

#: Left on a card when no budget is given: the driver's context, and the share of the memory that
#: the driver counts in the total and gives to nobody.
CUDA_CONTEXT = GIB
CUDA_RESERVED = 0.01


def plan_budget(device: Device, asked_gib: float | None) -> int:
    """Bytes this worker admits jobs for: `--memory`, else what the device suggests.

    Raises:
        SettingsError: what was asked for is no number.
        BudgetError: more than the device has, or less than the smallest class.
    """
    if asked_gib is None:
        if device.kind == "cpu":
            return int(device.memory_bytes * CPU_SHARE)
        return int(device.memory_bytes * (1 - CUDA_RESERVED)) - CUDA_CONTEXT
    if not math.isfinite(asked_gib):
        raise SettingsError("--memory", str(asked_gib), "must be a number of GiB")
    budget = int(asked_gib * GIB)
    if device.kind != "cpu" and budget > device.memory_bytes:
        raise BudgetError(
            device.name,
            budget,
            f"the card has {device.memory_bytes / GIB:.3g} GiB",
            "lower --memory or leave it out",
        )
    if not classes_within(budget):
        raise BudgetError(
            device.name, budget, "the smallest class is 1 GiB", "raise --memory to at least 1"
        )
    return budget


def reserve(device: Device, budget: int) -> None:
    """Take `budget` bytes of a GPU into torch's allocator now, and bound the process to them.

    On the CPU there is nothing to reserve: the operating system gives memory on use.

    Raises:
        BudgetError: another process holds part of the card.
    """
    if device.kind == "cpu":
        return
    import torch

    free, total = torch.cuda.mem_get_info(0)
    if budget > free:
        raise BudgetError(
            device.name,
            budget,
            f"only {free / GIB:.3g} of {total / GIB:.3g} GiB are free",
            "end what else uses the card, or lower --memory",
        )
    torch.cuda.set_per_process_memory_fraction(min(1.0, budget / total), 0)
    # One block, given back to the caching allocator at once: it stays this process's.
    block = torch.empty(int(budget * 0.95), dtype=torch.uint8, device="cuda:0")
    del block
