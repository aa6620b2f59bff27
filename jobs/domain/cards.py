"""Reference profiles of GPU cards, used until a worker has measured the card itself.

The figures are the measurements of one field report (docs/cards.md), copied digit for digit.
Workers replace them by their own measurements when they admit jobs. 1 GB is 10⁹ bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from jobs.domain.memory import GB, MemoryProfile


class Parallel(StrEnum):
    """How to train one model on several cards of one machine."""

    NONE = "none"
    DDP = "ddp"
    FSDP = "fsdp"


@dataclass(frozen=True)
class MemoryUse:
    """Device memory of Full at 100 frames with everything resident, in GB.

    Attributes:
        card_gb: memory size of the measured card.
        weights, trajectory, attention, loader: as in `jobs.domain.memory.MemoryProfile`.
        total: the total as reported.
    """

    card_gb: int
    weights: float
    trajectory: float
    attention: float
    loader: float
    total: float

    def profile(self) -> MemoryProfile:
        """The parts in bytes, for estimating other lengths and packs."""
        parts = (self.weights, self.trajectory, self.attention, self.loader)
        return MemoryProfile(*(round(part * GB) for part in parts))


@dataclass(frozen=True)
class ReferenceRun:
    """The published result of running 5 prompts 100 times each.

    Attributes:
        cards: number of cards used together.
        recipe: description of the settings.
        success: share of runs that succeeded, 0–1.
        latency_s: mean seconds per motion.
        peak_gb: peak device memory of one card.
        fmd: Fréchet motion distance, lower is better.
        smoothness: relative to the A100's, where reported.
    """

    cards: int
    recipe: str
    success: float
    latency_s: float
    peak_gb: float
    fmd: float
    smoothness: float | None = None


@dataclass(frozen=True)
class LightRecipe:
    """The settings under which a small card works reliably."""

    mode: str
    max_frames: int
    max_words: int
    compound_verbs: bool
    gradient_checkpointing: bool


@dataclass(frozen=True)
class CardProfile:
    """The profile of a card.

    Attributes:
        name: the card's family, e.g. `A100`; for a derived profile, the driver's name.
        derived: True if no figures are published and the profile is built from `DeviceFacts`.
        memory_gb: memory sizes it is sold with; empty if unknown.
        memory_kind, pcie: as manufacturers write them; empty if unknown.
        bandwidth_gbs: memory bandwidth, GB/s.
        nvlink_count, nvlink_gbs: published number of NVLinks, and their total GB/s. 0: none.
        bottleneck: what usually limits its speed.
        advice: what to do about it, one line.
        memory: measured memory of Full at 100 frames.
        max_frames: mode → longest recommended motion; modes not listed have no limit.
        seeds_per_job: most motions a job should ask for; None: no limit.
        light: the recipe for little memory.
        processes: worker processes per card.
        parallel: how to train on several cards.
        dtypes: suitable number formats, best first.
        gradient_clip: gradient norm to clip at, so that half precision does not overflow.
        inf_steps: training steps (first, last) at which half precision tends to overflow.
        copy_frames: length above which host-to-device copies dominate.
        nccl_env: environment variables for launches on several cards.
        nccl_version: the release to pin; empty: any.
        run: the published runs.
    """

    name: str
    derived: bool = False
    memory_gb: tuple[int, ...] = ()
    memory_kind: str = ""
    bandwidth_gbs: int | None = None
    nvlink_count: int = 0
    nvlink_gbs: int = 0
    pcie: str = ""
    bottleneck: str = ""
    advice: str = ""
    memory: MemoryUse | None = None
    max_frames: Mapping[str, int] = field(default_factory=dict)
    seeds_per_job: int | None = None
    light: LightRecipe | None = None
    processes: int = 1
    parallel: Parallel = Parallel.NONE
    dtypes: tuple[str, ...] = ("float32",)
    gradient_clip: float | None = None
    inf_steps: tuple[int, int] | None = None
    copy_frames: int | None = None
    nccl_env: Mapping[str, str] = field(default_factory=dict)
    nccl_version: str = ""
    run: ReferenceRun | None = None

    @property
    def nvlink(self) -> bool:
        """Whether the card has NVLink."""
        return self.nvlink_count > 0

    @property
    def bandwidth_class(self) -> str:
        """`low` under 700 GB/s (the A10), `mid` under 1500 (the V100), `high` (the A100)."""
        if self.bandwidth_gbs is None:
            return "unknown"
        return "low" if self.bandwidth_gbs < 700 else "mid" if self.bandwidth_gbs < 1500 else "high"


@dataclass(frozen=True)
class DeviceFacts:
    """Facts that the driver reports about a device; None where it reports nothing."""

    name: str
    memory_bytes: int | None = None
    bandwidth_gbs: int | None = None
    nvlink_count: int | None = None
    pcie: str = ""
    capability: tuple[int, int] | None = None


@dataclass(frozen=True)
class Storage:
    """Time to load 100 frames of .npz motion from one kind of disk on an A10 machine."""

    name: str
    read_mbs: int
    load_s: float
    effect: str


@dataclass(frozen=True)
class Service:
    """4×A100 behind a load balancer, compared with the stock single-process application."""

    cards: int = 4
    batch: int = 4
    motion_s: float = 12.3
    frames: int = 100
    concurrent: int = 12
    mean_wait_s: float = 15.0
    stock_concurrent: int = 3


WATCH = "watch real utilisation before tuning (`nvidia-smi -l 1`)"

A10 = CardProfile(
    name="A10",
    memory_gb=(24,),
    memory_kind="GDDR6",
    bandwidth_gbs=600,
    pcie="4.0 x16",
    bottleneck="slow data loading; several cards wait on each other over PCIe; "
    "more than one motion a pack may run out of memory",
    advice="on a tight budget: single card, Lite, 48 frames, NVMe",
    memory=MemoryUse(24, 12.1, 5.3, 3.8, 1.2, 22.4),
    max_frames={"full": 60},
    seeds_per_job=1,
    light=LightRecipe(
        mode="lite", max_frames=48, max_words=25, compound_verbs=False, gradient_checkpointing=False
    ),
    parallel=Parallel.NONE,
    dtypes=("bfloat16", "float16", "float32"),
    run=ReferenceRun(1, "light recipe", 0.923, 9.2, 21.7, 0.184, smoothness=0.87),
)

A100 = CardProfile(
    name="A100",
    memory_gb=(40, 80),
    memory_kind="HBM2e",
    bandwidth_gbs=2039,
    nvlink_count=2,
    nvlink_gbs=600,
    pcie="4.0 x16",
    bottleneck="memory is not full, but utilisation swings waiting for communication",
    advice="several users: 4 cards, NVLink, affinity",
    memory=MemoryUse(40, 12.1, 5.3, 3.8, 0.8, 22.0),
    parallel=Parallel.DDP,
    dtypes=("bfloat16", "float16", "float32"),
    nccl_env={"NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0", "NCCL_SHM_DISABLE": "0"},
    run=ReferenceRun(4, "100 frames, batch 4", 0.998, 12.3, 22.0, 0.132),
)

V100 = CardProfile(
    name="V100",
    memory_gb=(16, 32),
    memory_kind="HBM2",
    bandwidth_gbs=900,
    nvlink_count=3,
    nvlink_gbs=300,
    pcie="3.0 x16",
    bottleneck="trouble with NCCL from 2.10 on; half-precision overflow; "
    "copies from host to device beyond 120 frames",
    advice="no upgrade yet: pin NCCL, clip gradients, and watch it",
    memory=MemoryUse(32, 12.1, 5.3, 3.8, 2.1, 23.3),
    parallel=Parallel.DDP,
    dtypes=("float16", "float32"),
    gradient_clip=1.0,
    inf_steps=(3, 5),
    copy_frames=120,
    nccl_env={"NCCL_ASYNC_ERROR_HANDLING": "0"},
    nccl_version="2.9.9",
    run=ReferenceRun(4, "not stated", 0.841, 18.7, 23.3, 0.211),
)

CARDS: Mapping[str, CardProfile] = {card.name: card for card in (A10, A100, V100)}

#: Two A10s in data parallel were slower than one by this share: all-reduce goes over PCIe.
A10_PAIR_SLOWDOWN = 0.18

SERVICE = Service()

STORAGE: tuple[Storage, ...] = (
    Storage("SATA SSD", 550, 1.8, "GPU waits 31 % of the time"),
    Storage("NVMe SSD", 3200, 0.3, "GPU busy 89 %"),
    Storage("RAM disk", 12000, 0.08, "no longer the bottleneck, 12 % faster end to end"),
)

#: Minimum device memory with everything resident according to upstream, GB by mode.
UPSTREAM_GB: Mapping[str, int] = {"full": 26, "lite": 24}
#: Memory of the resident text encoder (Qwen3-8B in bfloat16), GB: most of `UPSTREAM_GB`.
TEXT_ENCODER_GB = 16.4
#: Memory of Full in float32 after the texts are encoded and the encoder is freed, GiB.
ENCODED_FIRST_GIB = 5.5


def profile(name: str) -> CardProfile:
    """The reference profile for a driver's card name, or a blank derived profile.

    `NVIDIA A100-SXM4-40GB`, `Tesla V100-PCIE-16GB` and `a10` match; `A10G` does not match A10.
    """
    words = re.split(r"[^A-Z0-9]+", name.upper())
    for word in words:
        if word in CARDS:
            return CARDS[word]
    return CardProfile(name=name, derived=True, bottleneck="not published", advice=WATCH)


def derive(facts: DeviceFacts) -> CardProfile:
    """The profile of a device: the published figures, overridden by what the driver reports.

    A device without NVLink is never used data-parallel, even if its family is: the PCIe variants of
    the A100 and V100 have no NVLink.
    """
    base = profile(facts.name)
    if base.derived:
        base = replace(
            base,
            bandwidth_gbs=facts.bandwidth_gbs,
            pcie=facts.pcie,
            memory_gb=() if facts.memory_bytes is None else (round(facts.memory_bytes / GB),),
            dtypes=_dtypes(facts.capability),
        )
    if facts.nvlink_count is None:
        return base
    parallel = Parallel.DDP if facts.nvlink_count else Parallel.NONE
    bandwidth = base.nvlink_gbs if facts.nvlink_count else 0
    return replace(base, nvlink_count=facts.nvlink_count, nvlink_gbs=bandwidth, parallel=parallel)


def _dtypes(capability: tuple[int, int] | None) -> tuple[str, ...]:
    """bfloat16 needs compute capability 8.0 (Ampere), useful float16 7.0 (Volta)."""
    if capability is None or capability < (7, 0):
        return ("float32",)
    if capability < (8, 0):
        return ("float16", "float32")
    return ("bfloat16", "float16", "float32")
