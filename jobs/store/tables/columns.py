"""What the tables share: names of constraints, keys, and columns of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, Double, Integer, MetaData

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMING)

#: SQLite generates row ids only for a column whose type is exactly INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")


def measured() -> Sequence[Column[Any]]:
    """Seconds of each phase, the peak of memory, and the quality of the motion (docs/measures.md)
    in mm per 1/30 s, mm and m/s³; null: not measured."""
    seconds = [f"{phase}_s" for phase in ("queue", "load", "encode", "sample", "decode", "save")]
    peak: Column[Any] = Column("peak_memory_bytes", BigInteger)
    return [
        *(Column(name, Double) for name in seconds), peak,
        *(Column(name, Double) for name in ("skate_mm", "penetration_mm", "jitter")),
    ]  # fmt: skip
