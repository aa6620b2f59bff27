"""The last part of `hymo history stats`: texts encoded, model loads, motions sampled again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from jobs.cli.render.tables import Column, print_pairs, print_table
from jobs.cli.render.text import duration, percent, plural
from jobs.documents.stats import Found, sums

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


def upkeep_rows(found: Found) -> list[tuple[object, ...]]:
    """CSV rows with sums and rates, in the column of means: first in total, with empty card and
    mode, then by card and mode."""
    from jobs.store.history.overhead import total

    whole = total(found)
    every = {("", ""): {**sums(whole), "hit_rate": whole.hit_rate}} if whole.told else {}
    every |= {key: sums(one) for key, one in found.items() if one.told}
    return [
        (*key, of["motions"], None, name, "s" if name == "load_s" else "", value, None, None)
        for key, of in every.items()
        for name, value in of.items()
        if name not in {"motions", "dtypes"} and value is not None
    ]


def print_upkeep(found: Found) -> None:
    """Print the table and the totals; nothing if no overhead was recorded."""
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
            f"{whole.texts} encoded for {motions}: {percent(whole.hit_rate)} were already encoded"
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
        found["again"] = f"{motions} ({share}) had non-finite values, sampled again in float32"
    return found


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
