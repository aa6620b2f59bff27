"""An animated GIF of a motion, which every browser, chat and slide shows."""

from typing import BinaryIO

from PIL import Image

from hymotion.body.motion import Motion
from hymotion.export.retime import retimed
from hymotion.picture.caption import HEIGHT, PAD, Caption, draw_caption
from hymotion.picture.colours import FAINT, PAPER
from hymotion.picture.lettering import Lettering
from hymotion.picture.stage import Stage

RATE = 25
"""Frames a second: GIF counts in hundredths of a second, and 30 a second are none."""

REST = 800
"""Milliseconds that the last frame stands before it begins anew."""

SCALE, ROOM = 165.0, (480, 420)
LEAST = 410
"""Pixels that the picture is wide at least, for the caption."""

CALM = 8
FOOT = 26
COLOURS = 160
SAMPLES = 6
LABEL = 14


def write_gif(motion: Motion, file: BinaryIO, caption: Caption, lettering: Lettering) -> None:
    """Write an animation with its caption to a binary file; it repeats for ever.

    The same motion and caption give the same bytes with the same version of Pillow.
    """
    shown = retimed(motion, RATE)
    stage = Stage.of(shown, scale=SCALE, room=ROOM, calm=CALM, least=LEAST, finer=2)
    width, height = stage.size
    base = Image.new("RGB", (width + 2 * PAD, HEIGHT + height + FOOT), PAPER)
    draw_caption(base, caption, motion, lettering)
    pictures = [
        _picture(base, stage, frame, motion.fps, lettering) for frame in range(shown.frames)
    ]
    palette = _palette(pictures)
    frames = [each.quantize(palette=palette, dither=Image.Dither.NONE) for each in pictures]
    times = [1000 // RATE] * (len(frames) - 1) + [REST]
    frames[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=times,
        loop=0,
        disposal=1,
    )


def _picture(
    base: Image.Image, stage: Stage, frame: int, fps: int, lettering: Lettering
) -> Image.Image:
    image = base.copy()
    height = stage.size[1]
    image.paste(stage.draw(frame), (PAD, HEIGHT))
    label = moment(frame, fps)
    place = ((base.width - lettering.width(label, LABEL)) / 2, HEIGHT + height + FOOT - 8)
    lettering.write(image, place, label, size=LABEL, fill=FAINT)
    return image


def moment(frame: int, fps: int) -> str:
    """What is written below the animation's frame: the time, and the motion's frame then."""
    # In whole numbers: 205 / 25 · 30 is a little less than 246.
    return f"{frame / RATE:.2f} s  ·  frame {frame * fps // RATE}"


def _palette(pictures: list[Image.Image]) -> Image.Image:
    """One palette for all frames, so that nothing flickers: that of some of them together."""
    step = max(1, len(pictures) // SAMPLES)
    some = pictures[::step]
    together = Image.new("RGB", (some[0].width, some[0].height * len(some)))
    for place, picture in enumerate(some):
        together.paste(picture, (0, place * picture.height))
    return together.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
