"""Devices of this machine, read from the driver without importing torch.

NVML tells what admission and placement need: memory, PCIe generation, NVLink, NUMA node. A CPU is
a device like any other.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil
import pynvml

from worker.errors import DeviceChoiceError

#: Share of the machine's memory that a CPU worker budgets by default: other programs live there.
CPU_SHARE = 0.8
#: The first CUDA compute capability with bfloat16, TF32, and kernels for int4.
AMPERE = (8, 0)


@dataclass(frozen=True)
class Device:
    """One device.

    Attributes:
        name: "cpu" or "cuda:N", N as the driver counts.
        card: the product name, e.g. "NVIDIA A10", or "CPU".
        memory_bytes: all of it, not only what is free.
        uuid: of a GPU, for CUDA_VISIBLE_DEVICES; None for the CPU.
        capability: CUDA compute capability (major, minor); None for the CPU.
        pcie: generation of the link; None when unknown.
        nvlink: whether any NVLink is up.
        numa: node whose cores are nearest; None when unknown or when there is only one.
    """

    name: str
    card: str
    memory_bytes: int
    uuid: str | None = None
    capability: tuple[int, int] | None = None
    pcie: int | None = None
    nvlink: bool = False
    numa: int | None = None

    @property
    def kind(self) -> str:
        """`cpu` or `cuda`."""
        return self.name.partition(":")[0]

    @property
    def dtype(self) -> str:
        """The fastest type this device computes in; what the model runs in is another matter."""
        if self.capability is None:
            return "float32"
        return "bfloat16" if self.capability >= AMPERE else "float16"


def cpu_device() -> Device:
    """The CPU, with the machine's (or the container's) memory."""
    return Device(name="cpu", card="CPU", memory_bytes=_machine_memory())


def gpu_devices() -> tuple[Device, ...]:
    """Every GPU the driver shows; empty without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        count = pynvml.nvmlDeviceGetCount()
        return tuple(_gpu(index) for index in range(count))
    finally:
        pynvml.nvmlShutdown()


def devices() -> tuple[Device, ...]:
    """The GPUs, and the CPU last."""
    return (*gpu_devices(), cpu_device())


def find_device(asked: str, *, flag: str = "--device") -> Device:
    """The device called `asked`: "cpu", "cuda:0", "0", or "auto" (first GPU, else the CPU).

    Args:
        flag: the option that a person would mend it with.

    Raises:
        DeviceChoiceError: naming the devices that there are.
    """
    present = devices()
    if asked == "auto":
        return present[0]
    name = f"cuda:{asked}" if asked.isdecimal() else asked
    for device in present:
        if device.name == name:
            return device
    raise DeviceChoiceError(asked, tuple(device.name for device in present), flag)


def cores_of(numa: int | None) -> frozenset[int]:
    """The cores of a NUMA node that this process may use; all it may use when unknown."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    allowed = frozenset(os.sched_getaffinity(0))
    path = Path(f"/sys/devices/system/node/node{numa}/cpulist")
    if numa is None or not path.exists():
        return allowed
    return (parse_cores(path.read_text("ascii")) & allowed) or allowed


def parse_cores(text: str) -> frozenset[int]:
    """The kernel's list format: "0-3,8" is {0, 1, 2, 3, 8}."""
    cores: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cores.update(range(int(first), int(last or first) + 1))
    return frozenset(cores)


def _machine_memory() -> int:
    total = int(psutil.virtual_memory().total)
    # In a container the control group's limit is the real machine.
    limit = Path("/sys/fs/cgroup/memory.max")
    if platform.system() == "Linux" and limit.exists():
        text = limit.read_text("ascii").strip()
        if text.isdecimal():
            return min(total, int(text))
    return total


def _gpu(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    bus = str(pynvml.nvmlDeviceGetPciInfo(handle).busId).lower()
    # NVML pads the PCI domain to eight digits, the kernel's folder names have four.
    return Device(
        name=f"cuda:{index}",
        card=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
        uuid=str(pynvml.nvmlDeviceGetUUID(handle)),
        capability=tuple(pynvml.nvmlDeviceGetCudaComputeCapability(handle)),
        pcie=_pcie(handle),
        nvlink=_nvlink(handle),
        numa=_numa(bus[4:]),
    )


def _pcie(handle: object) -> int | None:
    try:
        return int(pynvml.nvmlDeviceGetMaxPcieLinkGeneration(handle))
    except pynvml.NVMLError:
        return None


def _nvlink(handle: object) -> bool:
    for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
        try:
            if pynvml.nvmlDeviceGetNvLinkState(handle, link):
                return True
        except pynvml.NVMLError:
            return False
    return False


def _numa(bus: str) -> int | None:
    path = Path(f"/sys/bus/pci/devices/{bus}/numa_node")
    if not path.exists():
        return None
    node = int(path.read_text("ascii"))
    return node if node >= 0 else None
