"""Every published figure, to the digit, in docs/cards.md and in the data as far as it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.domain.cards import A10, A100, CARDS, V100, WATCH, CardProfile, Parallel, profile

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
    shown = cells(f"{card.name} {size} GB", "Memory of Full")
    assert [float(each) for each in shown[1:]] == list(figures)


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


@pytest.mark.parametrize(
    ("disk", "row"),
    [
        ("SATA SSD", ["550", "1.8 s", "GPU waits 31 % of the time"]),
        ("NVMe SSD", ["3200", "0.3 s", "GPU busy 89 %"]),
        ("RAM disk", ["12000", "0.08 s", "no longer the bottleneck, 12 % faster end to end"]),
    ],
)
def test_disks(disk: str, row: list[str]) -> None:
    assert cells(disk, "Disks") == [disk, *row]


def test_upstream() -> None:
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
