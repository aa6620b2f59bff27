"""The colours of pictures, sRGB. Left and right are distinct in every kind of colour vision."""

Colour = tuple[int, int, int]

LEFT: Colour = (230, 110, 30)
RIGHT: Colour = (45, 115, 205)
MIDDLE: Colour = (128, 134, 145)
SKIN: Colour = (214, 190, 168)
FACE: Colour = (196, 104, 74)

PAPER: Colour = (255, 255, 255)
SKY: Colour = (246, 247, 249)
FLOOR: Colour = (226, 229, 233)
GRID: Colour = (196, 201, 208)
SHADE: Colour = (70, 76, 88)
PATH: Colour = (120, 150, 120)
INK: Colour = (28, 32, 38)
FAINT: Colour = (108, 115, 125)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """The first colour mixed with a `share` of the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return (red, green, blue)
