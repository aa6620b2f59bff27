"""The worker's memory budget. It is reserved at start, so that a shortage shows at once."""

from __future__ import annotations

import math

from jobs.domain.memory import GIB, classes_within
from jobs.errors import SettingsError
from worker.device.discovery import CPU_SHARE, Device
from worker.errors import BudgetError

#: Left free on a card if no budget is given: the driver's context, and the share of the total
#: memory that the driver reserves for itself.
CUDA_CONTEXT = GIB
CUDA_RESERVED = 0.01


def plan_budget(device: Device, asked_gib: float | None) -> int:
    """The memory budget in bytes: `--memory`, else the default of the device.

    Raises:
        SettingsError: `--memory` is not finite.
        BudgetError: it is more than the device has, or less than the smallest class.
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
            "lower --memory or omit it",
        )
    if not classes_within(budget):
        raise BudgetError(
            device.name, budget, "the smallest class is 1 GiB", "raise --memory to at least 1"
        )
    return budget


#: The share of the budget that is reserved at the start. The rest is for what torch allocates apart
#: from other tensors, such as recorded graphs.
RESERVED = 0.9


def reserve(device: Device, budget: int) -> None:
    """Reserve `budget` bytes of a GPU in torch's allocator, and limit the process to them.

    On the CPU nothing is reserved: the operating system allocates memory on use.

    Raises:
        BudgetError: another process uses part of the card.
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
            "stop other processes on the card, or lower --memory",
        )
    torch.cuda.set_per_process_memory_fraction(min(1.0, budget / total), 0)
    # One block, freed at once: the caching allocator keeps it for this process.
    block = torch.empty(int(budget * RESERVED), dtype=torch.uint8, device="cuda:0")
    del block
