"""What stands above a picture: the prompt, what it is, and which colour is which side."""

from dataclasses import dataclass

from PIL import Image, ImageDraw

from hymotion.body.motion import Motion
from hymotion.picture.colours import FAINT, INK, LEFT, RIGHT
from hymotion.picture.lettering import Lettering, plain
from hymotion.picture.stage import MESH

TITLE, SMALL = 22, 14
WRAPPED = 17
"""Size of a title that needs two lines."""

HEIGHT = 64
PAD = 12
LEGEND = (("left", LEFT), ("right", RIGHT))


@dataclass(frozen=True)
class Caption:
    """Words for a picture.

    Attributes:
        title: the prompt.
        name: of the job or file; may be empty.
    """

    title: str
    name: str = ""

    def facts(self, motion: Motion) -> str:
        """The name and the length."""
        seconds = f"{motion.frames / motion.fps:.1f} s"
        length = f"{seconds}, {motion.frames} frames"
        return "  ·  ".join(part for part in (self.name, length) if part)


def draw_caption(
    image: Image.Image, caption: Caption, motion: Motion, lettering: Lettering
) -> None:
    """Write the caption into the top `HEIGHT` pixels of a picture, cut to its width."""
    room = image.width - 2 * PAD
    title = plain(caption.title)
    fitting = [size for size in (TITLE, WRAPPED) if lettering.width(title, size) <= room]
    if fitting:
        lettering.write(image, (PAD, 30), title, size=fitting[0], fill=INK)
    else:
        first, rest = lettering.broken(title, WRAPPED, room)
        lettering.write(image, (PAD, 18), first, size=WRAPPED, fill=INK)
        lettering.write(image, (PAD, 38), rest, size=WRAPPED, fill=INK, room=room)
    legend = legend_width(lettering)
    shown = room - legend - 2 * PAD
    facts = caption.facts(motion)
    whole = f"{facts}  ·  grid {MESH:g} m"
    facts = whole if lettering.width(whole, SMALL) <= shown else facts
    lettering.write(image, (PAD, HEIGHT - 9), facts, size=SMALL, fill=FAINT, room=shown)
    draw_legend(image, (image.width - PAD - legend, HEIGHT - 9), lettering)


def legend_width(lettering: Lettering) -> float:
    """Pixels that the legend takes."""
    return sum(lettering.width(word, SMALL) + 30 for word, _ in LEGEND) - 14


def draw_legend(image: Image.Image, place: tuple[float, float], lettering: Lettering) -> None:
    """A dot in the colour of each side, and its name."""
    draw = ImageDraw.Draw(image)
    x, y = place
    for word, colour in LEGEND:
        draw.ellipse((x, y - 11, x + 11, y), fill=colour)
        x += 16 + lettering.write(image, (x + 16, y), word, size=SMALL, fill=FAINT) + 14
