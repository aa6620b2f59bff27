"""Attributes of captures: who, what, and which split."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hymotion.training.errors import MocapError

SPLITS = ("train", "held")

MEND = "Mend that line of the segment table"


def read_attributes(text: str, where: str) -> Mapping[str, str]:
    """`side=left,speed=slow` → its pairs."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if any(not (key and value) for key, _, value in pairs):
        raise MocapError(f"attributes {text!r}", mend=MEND, where=where)
    return MappingProxyType({key: value for key, _, value in pairs})
