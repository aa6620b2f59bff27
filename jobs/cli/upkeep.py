"""Overhead of attempts, the last part of `hymo history stats`: texts, loads, motions made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from jobs.cli.output import Column, print_pairs, print_table
from jobs.cli.text import duration, percent, plural

if TYPE_CHECKING:
    from jobs.store.history.overhead import Overhead

COLUMNS = (
    Column("CARD", flexible=True),
    Column("MODE"),
    Column("MOTIONS", "right"),
    Column("TEXTS", "right"),
    Column("LOADS", "right"),
    Column("LOADING", "right"),
    Column("AGAIN", "right"),
    Column("COMPUTED IN", flexible=True, least=11),
)

Found = Mapping[tuple[str, str], "Overhead"]


def upkeep_document(found: Found) -> dict[str, Any]:
    """The `upkeep` of `hymo.stats/1` (docs/json.md)."""
    from jobs.store.history.overhead import total

    whole = total(found)
    groups = [{"card": card, "mode": mode, **_sums(one)} for (card, mode), one in found.items()]
    return {**_sums(whole), "hit_rate": whole.hit_rate, "groups": groups}


def upkeep_rows(found: Found) -> list[tuple[object, ...]]:
    """CSV rows of `hymo history stats`: sums and rates, each as a mean, a card and mode at a time
    and of all of them with neither named."""
    from jobs.store.history.overhead import total

    whole = total(found)
    every = {("", ""): {**_sums(whole), "hit_rate": whole.hit_rate}} if whole.told else {}
    every |= {key: _sums(one) for key, one in found.items() if one.told}
    return [
        (*key, sums["motions"], None, name, "s" if name == "load_s" else "", value, None, None)
        for key, sums in every.items()
        for name, value in sums.items()
        if name not in {"motions", "dtypes"} and value is not None
    ]


def print_upkeep(found: Found) -> None:
    """The table, and what it comes to; nothing where nothing is known."""
    from jobs.store.history.overhead import total

    whole = total(found)
    if not whole.told:
        return
    click.echo()
    print_table(COLUMNS, [_row(*key, one) for key, one in found.items()])
    click.echo()
    print_pairs("in all", _story(whole))


def _story(whole: Overhead) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if whole.hit_rate is not None:
        motions = plural(whole.stored, "motion")
        found["texts"] = (
            f"{whole.texts} encoded for {motions}: {percent(whole.hit_rate)} were there already"
        )
    elif whole.texts:
        found["texts"] = f"{whole.texts} encoded, none of them sampled"
    if whole.loads_per_1000 is not None:
        found["loads"] = (
            f"{plural(whole.loads, 'model')} loaded in {duration(whole.load_s)}: "
            f"{whole.loads_per_1000:.3g} for 1000 motions"
        )
    found["computed"] = _computed(whole)
    if whole.resampled:
        share = percent(whole.resampled_share)
        motions = plural(whole.resampled, "motion")
        found["again"] = f"{motions} ({share}) left the finite numbers, sampled again in float32"
    return found


def _sums(one: Overhead) -> dict[str, Any]:
    """All but the hit rate: texts of one card's motions may have been encoded on another."""
    return {
        "motions": one.motions,
        "texts": one.texts,
        "loads": one.loads,
        "loads_per_1000": one.loads_per_1000,
        "load_s": one.load_s,
        "resampled": one.resampled,
        "resampled_share": one.resampled_share,
        "dtypes": dict(one.dtypes),
    }


def _row(card: str, mode: str, one: Overhead) -> tuple[str, ...]:
    return (
        card,
        mode,
        *(str(number) if number else "" for number in (one.motions, one.texts, one.loads)),
        duration(one.load_s) if one.loads else "",
        str(one.resampled) if one.resampled else "",
        _computed(one),
    )


def _computed(one: Overhead) -> str:
    if len(one.dtypes) == 1:
        return next(iter(one.dtypes))
    return ", ".join(f"{dtype} {count}" for dtype, count in one.dtypes.items())
