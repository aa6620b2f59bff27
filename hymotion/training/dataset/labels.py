"""The hand-made table of segments: which frames of which take show what.

`labels.tsv` has a line for each segment: take, first frame and the frame after the last (at 30
fps), action, attributes as `key=value` joined by commas, and the split. `held` segments are kept
from training: by take where an action has several, by segment where it has one take; an
action of one short segment has no held-out part.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from types import MappingProxyType

from hymotion.training.errors import MocapError
from hymotion.training.phrases.attributes import MEND, SPLITS, read_attributes

COLUMNS = ["take", "start", "end", "action", "attributes", "split"]
SHORTEST = 20


@dataclass(frozen=True)
class Segment:
    """Frames [start, end) of a take that show an action.

    Attributes:
        attributes: what sets this one apart, e.g. side, speed, direction.
        split: "train" or "held".
    """

    take: str
    start: int
    end: int
    action: str
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    split: str = "train"

    @property
    def name(self) -> str:
        """Unique: the take and the frames."""
        return f"{self.take}_{self.start:04d}_{self.end:04d}"


def own_segments() -> tuple[Segment, ...]:
    """The segments of the table that comes with this package."""
    table = files("hymotion.training.dataset").joinpath("labels.tsv")
    return read_segments(table.read_text(encoding="utf-8").splitlines(), where="labels.tsv")


def read_segments(lines: Iterable[str], *, where: str) -> tuple[Segment, ...]:
    """The segments of a table.

    Raises:
        MocapError: columns are missing, or a line makes no sense or comes twice; names the line.
    """
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    if rows.fieldnames != COLUMNS:
        mend = f"Give the columns {', '.join(COLUMNS)}, separated by tabs"
        raise MocapError(f"has the columns {rows.fieldnames}", mend=mend, where=where)
    segments: dict[str, Segment] = {}
    for number, row in enumerate(rows, start=2):
        segment = _segment(row, where=f"{where}:{number}")
        if segment.name in segments:
            raise MocapError(f"{segment.name} comes twice", mend=MEND, where=f"{where}:{number}")
        segments[segment.name] = segment
    return tuple(segments.values())


def _segment(row: Mapping[str, str | None], *, where: str) -> Segment:
    cells = [row.get(column) for column in COLUMNS]
    take, start, end, action, attributes, split = (cell or "" for cell in cells)
    if not (start.isdigit() and end.isdigit()) or int(end) - int(start) < SHORTEST:
        problem = f"frames {start or '?'} to {end or '?'} are not {SHORTEST} or more"
        raise MocapError(problem, mend=MEND, where=where)
    if not take or not action or split not in SPLITS:
        problem = f"take {take!r}, action {action!r}, split {split!r}"
        raise MocapError(problem, mend=MEND, where=where)
    return Segment(take, int(start), int(end), action, read_attributes(attributes, where), split)
