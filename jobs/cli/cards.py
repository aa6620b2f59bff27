"""`hymo cards`: published figures of each card, and measurements made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.render.tables import Column, print_json, print_pairs, print_table
from jobs.cli.render.text import duration, gigabytes, percent
from jobs.documents.fleet import _mean, card_document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.domain.cards import CardProfile
    from jobs.store.history.stats import StatsGroup

COLUMNS = (
    Column("CARD", flexible=True),
    Column("FROM"),
    Column("MODE"),
    Column("MEMORY"),
    Column("GB/S", "right"),
    Column("NVLINK"),
    Column("RUNS", "right"),
    Column("SUCCESS", "right"),
    Column("TIME", "right"),
    Column("PEAK", "right"),
)


@click.command()
@click.argument("names", metavar="[CARD]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def cards(app: App, /, *, names: tuple[str, ...], as_json: bool) -> None:
    """Compare the published figures of each card with measurements.

    CARD (A10, A100, V100, or the driver's name of a card) shows all details of one. The published
    figures are from a field report (docs/cards.md); measurements are means over the attempts in
    history.
    """
    from jobs.domain.cards import CARDS, profile

    with app.store() as store:
        measured = store.stats.groups(measures=("total", "peak_memory"), percentiles=False)
    profiles = [profile(name) for name in names] if names else list(CARDS.values())
    if not names:
        known = {each.name for each in profiles}
        others = sorted({each.card for each in measured if profile(each.card).name not in known})
        profiles += [profile(name) for name in others]
    own = [(each, _own(each, measured)) for each in profiles]
    if as_json:
        print_json({"schema": "hymo.cards/1", "cards": [card_document(*each) for each in own]})
        return
    if names:
        for number, (card, _) in enumerate(own):
            click.echo("\n" * bool(number), nl=False)
            print_pairs(card.name, _pairs(card))
        click.echo()
    print_table(COLUMNS, [row for each in own for row in _rows(*each)])


def _own(card: CardProfile, measured: Sequence[StatsGroup]) -> list[StatsGroup]:
    from jobs.domain.cards import profile

    return [each for each in measured if profile(each.card).name == card.name]


def _rows(card: CardProfile, measured: Sequence[StatsGroup]) -> list[tuple[str, ...]]:
    facts = (
        "/".join(map(str, card.memory_gb)) + " GB" if card.memory_gb else "",
        "" if card.bandwidth_gbs is None else str(card.bandwidth_gbs),
        f"{card.nvlink_gbs} GB/s" if card.nvlink else "" if card.derived else "none",
    )
    rows: list[tuple[str, ...]] = []
    if card.run is not None:
        run = card.run
        machine = card.name if run.cards == 1 else f"{run.cards}×{card.name}"
        mode = card.light.mode if card.light is not None else "full"
        figures = ("500", percent(run.success), duration(run.latency_s), f"{run.peak_gb} GB")
        rows.append((machine, "report", mode, *facts, *figures))
    rows += [
        (
            group.card,
            "here",
            group.mode,
            "",
            "",
            "",
            str(group.count),
            percent(group.success),
            duration(_mean(group, "total")),
            gigabytes(_mean(group, "peak_memory")),
        )
        for group in measured
    ]
    return rows or [(card.name, "", "", *facts, "", "", "", "")]


def _pairs(card: CardProfile) -> dict[str, str]:
    memory, light = card.memory, card.light
    longest = ", ".join(f"{mode} {frames} frames" for mode, frames in card.max_frames.items())
    sizes = " or ".join(f"{size} GB" for size in card.memory_gb)
    environment = " ".join(f"{key}={value}" for key, value in card.nccl_env.items())
    return {
        "memory": f"{sizes} {card.memory_kind}".strip(),
        "bandwidth": f"{card.bandwidth_gbs} GB/s" if card.bandwidth_gbs else "not published",
        "nvlink": f"{card.nvlink_count}×, {card.nvlink_gbs} GB/s" if card.nvlink else "none known",
        "pcie": card.pcie,
        "bottleneck": card.bottleneck,
        "advice": card.advice,
        "full at 100 frames": ""
        if memory is None
        else f"{memory.total} GB of {memory.card_gb}: weights {memory.weights}, "
        f"trajectory {memory.trajectory}, attention {memory.attention}, loader {memory.loader}",
        "longest": longest,
        "seeds a job": "" if card.seeds_per_job is None else str(card.seeds_per_job),
        "light recipe": ""
        if light is None
        else f"{light.mode}, at most {light.max_frames} frames and {light.max_words} words, "
        "no compound verbs, gradient checkpointing off",
        "parallel": card.parallel.value,
        "dtypes": ", ".join(card.dtypes),
        "clip gradients at": "" if card.gradient_clip is None else str(card.gradient_clip),
        "nccl": f"{card.nccl_version} {environment}".strip(),
    }
