"""A contact sheet: many motions at a glance, a few moments of each."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from hymotion.body.motion import Motion
from hymotion.errors import PictureError
from hymotion.picture.caption import PAD, Caption, draw_legend, legend_width
from hymotion.picture.colours import FAINT, INK, PAPER
from hymotion.picture.lettering import Lettering
from hymotion.picture.stage import Stage
from hymotion.picture.strip import moments

MOST = 60
"""Motions on one sheet: more could not be told apart."""

PANELS = 6
SCALE, PANEL = 78.0, (112, 190)
GAP = 2
CELL = PANELS * (PANEL[0] + GAP)
HEAD = 46
TOP = 58
BETWEEN = 22
TITLE, SMALL, HEADING = 17, 13, 24
COLUMNS = (5, 25)
"""From so many motions on there is one column more."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A motion on a sheet."""

    motion: Motion
    caption: Caption


def draw_sheet(heading: str, entries: Sequence[Entry], lettering: Lettering) -> Image.Image:
    """The contact sheet of some motions, RGB, in the order given, row by row.

    Raises:
        PictureError: there are none, or more than `MOST`.
    """
    if not 1 <= len(entries) <= MOST:
        raise PictureError(
            f"a sheet has room for 1 to {MOST} motions, not {len(entries)}",
            mend="Draw several sheets",
        )
    columns = 1 + sum(len(entries) >= least for least in COLUMNS)
    cells = [_cell(entry, lettering) for entry in entries]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(cell.height for cell in row) for row in rows]
    width = 2 * PAD + columns * CELL + (columns - 1) * BETWEEN
    image = Image.new("RGB", (width, TOP + sum(heights) + PAD), PAPER)
    legend = legend_width(lettering)
    room = width - 3 * PAD - legend
    lettering.write(image, (PAD, 36), heading, size=HEADING, fill=INK, room=room)
    draw_legend(image, (width - PAD - legend, 36), lettering)
    y = TOP
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            image.paste(cell, (PAD + column * (CELL + BETWEEN), y))
        y += height
    return image


def _cell(entry: Entry, lettering: Lettering) -> Image.Image:
    stage = Stage.of(entry.motion, scale=SCALE, room=PANEL, least=PANEL[0])
    width, height = stage.size
    image = Image.new("RGB", (CELL, HEAD + height + 12), PAPER)
    title, facts = entry.caption.title, entry.caption.facts(entry.motion)
    lettering.write(image, (0, 18), title, size=TITLE, fill=INK, room=CELL)
    lettering.write(image, (0, 37), facts, size=SMALL, fill=FAINT, room=CELL)
    frames = moments(entry.motion.frames, PANELS)
    for place, frame in enumerate(frames):
        x = place * (PANEL[0] + GAP) + (PANEL[0] - width) // 2
        image.paste(stage.draw(frame), (x, HEAD))
    return image
