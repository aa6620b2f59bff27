"""Reference profiles of GPU cards: what is known of a card before a worker has measured it.

The figures are those of one field report (docs/cards.md), to the digit. They are somebody's
measurements, not laws: `hymo cards` shows a worker's own beside them. GB are 10⁹ bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Parallel(StrEnum):
    """How several cards of one machine should train one model together."""

    NONE = "none"
    DDP = "ddp"


@dataclass(frozen=True)
class MemoryUse:
    """Device memory of Full at 100 frames with everything resident, in GB.

    Attributes:
        card_gb: memory of the card that was measured.
        weights, trajectory, attention, loader: the parts (see `jobs.domain.memory.MemoryProfile`).
        total: as reported.
    """

    card_gb: int
    weights: float
    trajectory: float
    attention: float
    loader: float
    total: float


@dataclass(frozen=True)
class ReferenceRun:
    """The outcome of 5 prompts × 100 runs each.

    Attributes:
        cards: how many worked together.
        recipe: what was run, in words.
        success: share of runs that succeeded, 0–1.
        latency_s: mean seconds a motion.
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
    """What is known of a card.

    Attributes:
        name: the card's family, e.g. `A100`; of a derived profile the driver's name for the card.
        derived: True when nothing was published of the card, and only its name is known.
        memory_gb: sizes it is sold in; empty if unknown.
        memory_kind, pcie: as makers write them; empty if unknown.
        bandwidth_gbs: memory bandwidth, GB/s.
        nvlink_count, nvlink_gbs: NVLink as published: how many, and GB/s in all. 0: none.
        bottleneck: what usually slows it down.
        advice: what to do about it, one line.
        memory: measured parts of Full at 100 frames.
        max_frames: mode → longest motion advised; a mode not named has no limit.
        seeds_per_job: motions a job should ask for at most; None: no limit.
        light: the recipe for a tight budget.
        processes: worker processes a card.
        parallel: how to train over several of them.
        dtypes: number formats it is fit for, best first.
        gradient_clip: gradient norm without which half precision overflows.
        inf_steps: training steps (first, last) at which half precision tends to overflow.
        copy_frames: length from which copies from host to device dominate.
        nccl_env: environment of a launch over several cards.
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
        """Whether cards of this kind talk over NVLink."""
        return self.nvlink_count > 0

    @property
    def bandwidth_class(self) -> str:
        """`low` under 700 GB/s (the A10), `mid` under 1500 (the V100), `high` (the A100)."""
        if self.bandwidth_gbs is None:
            return "unknown"
        return "low" if self.bandwidth_gbs < 700 else "mid" if self.bandwidth_gbs < 1500 else "high"


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


def profile(name: str) -> CardProfile:
    """The reference profile for a card's name as its driver writes it, or a blank derived one.

    `NVIDIA A100-SXM4-40GB`, `Tesla V100-PCIE-16GB` and `a10` are known; an `A10G` is another card.
    """
    words = re.split(r"[^A-Z0-9]+", name.upper())
    for word in words:
        if word in CARDS:
            return CARDS[word]
    return CardProfile(name=name, derived=True, bottleneck="not published", advice=WATCH)
