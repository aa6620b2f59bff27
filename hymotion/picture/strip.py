"""A film strip: moments of a motion side by side, from its first frame to its last."""

import numpy as np
from PIL import Image

from hymotion.body.motion import Motion
from hymotion.picture.caption import HEIGHT, PAD, Caption, draw_caption
from hymotion.picture.colours import FAINT, PAPER
from hymotion.picture.lettering import Lettering
from hymotion.picture.stage import Stage

PANELS = 8
SCALE = 125.0
"""Pixels a metre: a standing adult is some 210 pixels tall."""

ROOM = (190, 340)
"""The largest that one moment's picture may be."""

GAP = 4
FOOT = 26
LABEL = 13


def draw_strip(
    motion: Motion, caption: Caption, lettering: Lettering, *, panels: int = PANELS
) -> Image.Image:
    """A motion's film strip with its caption, RGB.

    Args:
        panels: how many moments, evenly spread; fewer where the motion has not as many frames.
    """
    stage = Stage.of(motion, scale=SCALE, room=ROOM)
    frames = moments(motion.frames, panels)
    width, height = stage.size
    total = (2 * PAD + len(frames) * (width + GAP) - GAP, HEIGHT + height + FOOT)
    image = Image.new("RGB", total, PAPER)
    draw_caption(image, caption, motion, lettering)
    for place, frame in enumerate(frames):
        x = PAD + place * (width + GAP)
        image.paste(stage.draw(frame), (x, HEIGHT))
        label = f"{frame / motion.fps:.2f} s  ·  frame {frame}"
        middle = x + (width - lettering.width(label, LABEL)) / 2
        lettering.write(image, (middle, total[1] - 8), label, size=LABEL, fill=FAINT)
    return image


def moments(frames: int, count: int) -> list[int]:
    """`count` frames from the first to the last, evenly spread, none twice."""
    spread = np.linspace(0, frames - 1, min(count, frames))
    return [round(float(frame)) for frame in spread]
