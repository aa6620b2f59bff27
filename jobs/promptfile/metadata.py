"""Metadata: the columns that the queue does not use, stored with the job as text."""

from __future__ import annotations

import json
from collections.abc import Mapping

from jobs.errors import shown
from jobs.promptfile.cell import INVISIBLE, text_fault
from jobs.promptfile.raw import COLUMNS, IGNORED

MAX_KEY = 100
MAX_COLUMNS = 100
#: Maximum total characters of a job's keys and values.
MAX_METADATA = 16_384

#: Column, message, mend.
Fault = tuple[str | None, str, str]

_RESERVED = frozenset(COLUMNS) | IGNORED


def read_metadata(
    values: Mapping[str, object], *, typed: bool = True
) -> tuple[dict[str, str], list[Fault], bool]:
    """The metadata of a row, its faults, and whether text was trimmed.

    Text is kept, even if empty; only no-break and zero-width spaces around that of cells (`typed`:
    JSON values) are dropped. Other JSON values become JSON text; null is left out.
    """
    shortened = False
    metadata: dict[str, str] = {}
    faults: list[Fault] = []
    for key, value in values.items():
        if key in _RESERVED or value is None:
            continue
        text = value if isinstance(value, str) else _json(value)
        if text is not None and not typed and not text.isascii():
            whole, text = text, text.strip(INVISIBLE)
            shortened = shortened or text != whole
        found = _fault(key, text)
        if found is not None:
            faults.append(found)
        elif text is not None:
            metadata[key] = text
    size = sum(len(key) + len(text) for key, text in metadata.items())
    if len(metadata) > MAX_COLUMNS:
        faults.append((None, f"has {len(metadata)} metadata columns", f"keep {MAX_COLUMNS}"))
    if size > MAX_METADATA:
        mend = f"keep at most {MAX_METADATA} in the columns beside the prompt's"
        faults.append((None, f"has {size} characters of metadata", mend))
    return metadata, faults, shortened


def _json(value: object) -> str | None:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        return None


def _fault(key: str, text: str | None) -> Fault | None:
    if not key or len(key) > MAX_KEY or text_fault(key):
        mend = f"use 1 to {MAX_KEY} printable characters"
        return None, f"the column name {shown(key)} cannot be kept", mend
    if text is None:
        return key, "cannot be kept as JSON", "write a finite value, less deeply nested"
    if len(text) > MAX_METADATA:
        return key, f"has {len(text)} characters", f"use at most {MAX_METADATA}"
    found = text_fault(text)
    return None if found is None else (key, *found)
