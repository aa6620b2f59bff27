"""Every published figure, to the digit, in the data and in docs/cards.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.domain.cards import (
    A10,
    A10_PAIR_SLOWDOWN,
    A100,
    CARDS,
    ENCODED_FIRST_GIB,
    SERVICE,
    STORAGE,
    TEXT_ENCODER_GB,
    UPSTREAM_GB,
    V100,
    WATCH,
    CardProfile,
    DeviceFacts,
    Parallel,
    derive,
    profile,
)
from jobs.domain.memory import GB

PAGE = (Path(__file__).parents[4] / "docs" / "cards.md").read_text("utf-8")


def cells(first: str, heading: str) -> list[str]:
    """The row of a table of the page that begins with `first`, below `heading`."""
    below = PAGE.split(f"## {heading}", 1)[1]
    row = next(line for line in below.splitlines() if line.startswith(f"| {first}"))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize(
    ("card", "memory", "kind", "bandwidth", "links", "gbs", "pcie", "shown"),
    [
        (A10, (24,), "GDDR6", 600, 0, 0, "4.0 x16", ("24", "none")),
        (A100, (40, 80), "HBM2e", 2039, 2, 600, "4.0 x16", ("40 or 80", "2×, 600 GB/s")),
        (V100, (16, 32), "HBM2", 900, 3, 300, "3.0 x16", ("16 or 32", "3×, 300 GB/s")),
    ],
    ids=["A10", "A100", "V100"],
)
def test_hardware(
    card: CardProfile,
    memory: tuple[int, ...],
    kind: str,
    bandwidth: int,
    links: int,
    gbs: int,
    pcie: str,
    shown: tuple[str, str],
) -> None:
    assert (card.memory_gb, card.memory_kind, card.bandwidth_gbs) == (memory, kind, bandwidth)
    assert (card.nvlink_count, card.nvlink_gbs, card.pcie) == (links, gbs, pcie)
    assert card.nvlink is (links > 0)
    assert cells(f"{card.name} ", "Hardware") == [
        card.name, shown[0], kind, str(bandwidth), shown[1], pcie, card.bottleneck,
    ]  # fmt: skip


def test_bandwidth_classes() -> None:
    assert [card.bandwidth_class for card in (A10, V100, A100)] == ["low", "mid", "high"]
    assert profile("H100").bandwidth_class == "unknown"


@pytest.mark.parametrize(
    ("card", "size", "figures"),
    [
        (A10, 24, (12.1, 5.3, 3.8, 1.2, 22.4)),
        (A100, 40, (12.1, 5.3, 3.8, 0.8, 22.0)),
        (V100, 32, (12.1, 5.3, 3.8, 2.1, 23.3)),
    ],
    ids=["A10", "A100", "V100"],
)
def test_memory_of_full_at_100_frames(
    card: CardProfile, size: int, figures: tuple[float, ...]
) -> None:
    memory = card.memory
    assert memory is not None
    parts = (memory.weights, memory.trajectory, memory.attention, memory.loader)
    assert (memory.card_gb, *parts, memory.total) == (size, *figures)
    assert sum(parts) == pytest.approx(memory.total)
    assert memory.profile().need(100) == pytest.approx(memory.total * GB)
    shown = cells(f"{card.name} {size} GB", "Memory of Full")
    assert [float(each) for each in shown[1:]] == list(figures)


def test_memory_grows_with_the_square_and_with_the_length() -> None:
    assert A10.memory is not None
    parts = A10.memory.profile()
    assert parts.motion(200) == pytest.approx((5.3 * 4 + 3.8 * 2) * GB)
    assert parts.need(200) - parts.motion(200) == pytest.approx((12.1 + 1.2) * GB)


@pytest.mark.parametrize(
    ("card", "cards", "success", "seconds", "peak", "fmd", "row"),
    [
        (A10, 1, 0.923, 9.2, 21.7, 0.184, "1×A10, light recipe"),
        (A100, 4, 0.998, 12.3, 22.0, 0.132, "4×A100"),
        (V100, 4, 0.841, 18.7, 23.3, 0.211, "4×V100"),
    ],
    ids=["A10", "A100", "V100"],
)
def test_runs(
    card: CardProfile,
    cards: int,
    success: float,
    seconds: float,
    peak: float,
    fmd: float,
    row: str,
) -> None:
    run = card.run
    assert run is not None
    assert (run.cards, run.success, run.latency_s, run.peak_gb, run.fmd) == (
        cards, success, seconds, peak, fmd,
    )  # fmt: skip
    shown = cells(row, "5 prompts × 100 runs each")
    assert shown[1:5] == [f"{success:.1%}".replace("%", " %"), f"{seconds} s", str(peak), str(fmd)]


def test_the_a10() -> None:
    assert A10.max_frames["full"] == 60
    assert A10.seeds_per_job == 1
    assert A10.processes == 1
    assert A10.parallel is Parallel.NONE
    assert A10_PAIR_SLOWDOWN == 0.18
    light = A10.light
    assert light is not None
    assert (light.mode, light.max_frames, light.max_words) == ("lite", 48, 25)
    assert not light.compound_verbs
    assert not light.gradient_checkpointing
    assert A10.run is not None
    assert A10.run.smoothness == 0.87
    for fact in ("18 % slower", "60 frames in Full", "48 frames and 25 words", "| 87 % |"):
        assert fact in PAGE


def test_the_a100() -> None:
    assert A100.nccl_env == {
        "NCCL_IB_DISABLE": "1", "NCCL_P2P_DISABLE": "0", "NCCL_SHM_DISABLE": "0",
    }  # fmt: skip
    assert (A100.parallel, A100.processes, A100.max_frames) == (Parallel.DDP, 1, {})
    assert (SERVICE.cards, SERVICE.batch, SERVICE.motion_s, SERVICE.frames) == (4, 4, 12.3, 100)
    assert (SERVICE.concurrent, SERVICE.mean_wait_s, SERVICE.stock_concurrent) == (12, 15.0, 3)
    for fact in ("batch of 4 at\n12.3 s a motion of 100 frames", "12 requests", "under 15 s"):
        assert fact in PAGE
    for key, setting in A100.nccl_env.items():
        assert f"`{key}={setting}`" in PAGE


def test_the_v100() -> None:
    assert V100.nccl_version == "2.9.9"
    assert V100.nccl_env == {"NCCL_ASYNC_ERROR_HANDLING": "0"}
    assert (V100.gradient_clip, V100.inf_steps, V100.copy_frames) == (1.0, (3, 5), 120)
    assert "bfloat16" not in V100.dtypes
    assert V100.parallel is Parallel.DDP
    for fact in ("pinned to 2.9.9", "norm of 1.0", "3 to 5", "beyond 120 frames", "from 2.10 on"):
        assert fact.replace("\n", " ") in PAGE.replace("\n", " ")


def test_disks() -> None:
    assert [(each.name, each.read_mbs, each.load_s) for each in STORAGE] == [
        ("SATA SSD", 550, 1.8), ("NVMe SSD", 3200, 0.3), ("RAM disk", 12000, 0.08),
    ]  # fmt: skip
    assert ["31 %" in STORAGE[0].effect, "89 %" in STORAGE[1].effect] == [True, True]
    assert "12 % faster" in STORAGE[2].effect
    for each in STORAGE:
        shown = [each.name, str(each.read_mbs), f"{each.load_s} s", each.effect]
        assert cells(each.name, "Disks") == shown


def test_upstream() -> None:
    assert UPSTREAM_GB == {"full": 26, "lite": 24}
    assert (TEXT_ENCODER_GB, ENCODED_FIRST_GIB) == (16.4, 5.5)
    for fact in ("26 GB for Full and 24 GB for Lite", "16.4 GB", "5.5 GiB"):
        assert fact in PAGE


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("NVIDIA A10", A10), ("a10", A10), ("NVIDIA A100-SXM4-40GB", A100),
        ("NVIDIA A100 80GB PCIe", A100), ("Tesla V100-SXM2-32GB", V100), ("Tesla_V100_PCIE", V100),
    ],
)  # fmt: skip
def test_names_as_drivers_write_them(name: str, card: CardProfile) -> None:
    assert profile(name) is card


@pytest.mark.parametrize("name", ["NVIDIA A10G", "NVIDIA H100 80GB HBM3", "A1000", "cpu", ""])
def test_another_card_is_derived(name: str) -> None:
    card = profile(name)
    assert card.derived
    assert (card.name, card.advice, card.max_frames, card.run) == (name, WATCH, {}, None)
    assert name not in CARDS


def test_a_derived_profile_takes_the_drivers_facts() -> None:
    facts = DeviceFacts(
        "NVIDIA H100 80GB HBM3",
        memory_bytes=85_520_809_984,
        bandwidth_gbs=3350,
        nvlink_count=18,
        pcie="5.0 x16",
        capability=(9, 0),
    )
    card = derive(facts)
    assert (card.memory_gb, card.bandwidth_class, card.pcie) == ((86,), "high", "5.0 x16")
    assert card.dtypes == ("bfloat16", "float16", "float32")
    assert (card.nvlink_count, card.parallel) == (18, Parallel.DDP)


@pytest.mark.parametrize(
    ("capability", "dtypes"),
    [
        (None, ("float32",)), ((6, 1), ("float32",)), ((7, 5), ("float16", "float32")),
        ((8, 9), ("bfloat16", "float16", "float32")),
    ],
)  # fmt: skip
def test_number_formats(capability: tuple[int, int] | None, dtypes: tuple[str, ...]) -> None:
    assert derive(DeviceFacts("new", capability=capability)).dtypes == dtypes


def test_a_card_without_nvlink_never_goes_data_parallel() -> None:
    card = derive(DeviceFacts("NVIDIA A100 80GB PCIe", nvlink_count=0))
    assert (card.parallel, card.nvlink, card.nvlink_gbs) == (Parallel.NONE, False, 0)
    assert derive(DeviceFacts("NVIDIA A100-SXM4-40GB")).parallel is Parallel.DDP
