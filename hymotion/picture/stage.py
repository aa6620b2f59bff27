"""One frame of a motion as a picture: ground with a grid, path, shadow, and the figure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from hymotion.body.motion import Motion
from hymotion.picture.brush import Place, Rod, draw_bodies, draw_rod
from hymotion.picture.camera import Camera
from hymotion.picture.colours import FLOOR, GRID, PATH, SHADE, SKY
from hymotion.picture.figure import LIMBS, body_points

Points = NDArray[np.float64]

MARGIN = 0.14
"""Room around what the joints reach, metres: flesh and a little air."""

LEAST_WIDTH, LEAST_TOP, LEAST_BOTTOM = 0.62, 1.55, -0.30
"""What is always in the picture, metres from the point of the ground below the pelvis."""

MESH = 0.5
"""Metres between two lines of the grid."""

DEPTH = 1.1
"""How far the ground reaches behind the person, metres."""

SHADOW = 0.42


@dataclass(frozen=True, eq=False)
class Stage:
    """How a motion is seen; the picture goes along with the person, the grid stays where it is.

    Attributes:
        points: (L, P, 3) of the body in the world, metres.
        centres: (L, 3) of the ground, what the picture's middle follows.
        camera: parallel projection.
        scale: pixels a metre.
        half: metres from the middle to either side.
        top, bottom: metres above and below the ground's middle.
        finer: it is drawn so many times as large and made smaller, which smooths the edges.
    """

    points: Points
    centres: Points
    camera: Camera
    scale: float
    half: float
    top: float
    bottom: float
    finer: int = 3

    @classmethod
    def of(
        cls,
        motion: Motion,
        *,
        scale: float,
        room: tuple[int, int],
        calm: int = 0,
        least: int = 0,
        finer: int = 3,
    ) -> "Stage":
        """The stage for a motion.

        Args:
            scale: pixels a metre, less where the motion would not fit …
            room: … into so many pixels in width and height.
            calm: frames over which the picture's following is smoothed; 0: not at all.
            least: pixels that it is wide at least.
        """
        points = body_points(motion)
        camera = Camera.beside(points)
        centres = _smoothed(points[:, 0] * np.array([1.0, 0.0, 1.0]), calm)
        seen = camera.project(points - centres[:, None])
        half = max(LEAST_WIDTH, float(np.abs(seen[..., 0]).max()) + MARGIN)
        top = max(LEAST_TOP, float(seen[..., 1].max()) + MARGIN)
        bottom = min(LEAST_BOTTOM, float(seen[..., 1].min()) - MARGIN)
        scale = min(scale, room[0] / (2 * half), room[1] / (top - bottom))
        half = max(half, least / (2 * scale))
        return cls(points, centres, camera, scale, half, top, bottom, finer)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return (
            max(1, int(2 * self.half * self.scale)),
            max(1, int((self.top - self.bottom) * self.scale)),
        )

    def draw(self, frame: int) -> Image.Image:
        """The picture of one frame, RGB."""
        width, height = (side * self.finer for side in self.size)
        image = Image.new("RGB", (width, height), SKY)
        self._draw_floor(image, frame)
        self._draw_shadow(image, frame)
        draw_bodies(ImageDraw.Draw(image), self._bodies(frame))
        return image.reduce(self.finer)

    def _place(self, points: Points, frame: int) -> Points:
        """(…, 3) metres in the world → (…, 3) x, y in pixels of the large picture, and away."""
        seen = self.camera.project(points - self.centres[frame])
        scale = self.scale * self.finer
        placed: Points = np.stack(
            (
                (seen[..., 0] + self.half) * scale,
                (self.top - seen[..., 1]) * scale,
                seen[..., 2] * scale,
            ),
            axis=-1,
        )
        return placed

    def _bodies(self, frame: int) -> list[list[Rod]]:
        rods = self._rods(frame)
        trunk = [rod for rod, limb in zip(rods, LIMBS, strict=True) if limb.trunk]
        others = [[rod] for rod, limb in zip(rods, LIMBS, strict=True) if not limb.trunk]
        return [trunk, *others]

    def _rods(self, frame: int) -> list[Rod]:
        placed = self._place(self.points[frame], frame)
        scale = self.scale * self.finer
        return [
            Rod(
                start=_place(placed[limb.start]),
                end=_place(placed[limb.end]),
                thick=limb.thick * scale,
                thin=limb.thin * scale,
                away=float(placed[[limb.start, limb.end], 2].mean()),
                colour=limb.colour,
            )
            for limb in LIMBS
        ]

    def _draw_floor(self, image: Image.Image, frame: int) -> None:
        """A band of ground with the grid and the path; it fades at its far edge."""
        scale = self.scale * self.finer
        steep = -float(self.camera.away[1])
        first = round((self.top - DEPTH * steep) * scale)
        height = image.height - first
        band = Image.new("RGB", (image.width, height), FLOOR)
        draw = ImageDraw.Draw(band)
        for start, end in self._mesh(frame):
            line = [
                (point[0], point[1] - first) for point in self._place(np.stack((start, end)), frame)
            ]
            draw.line(line, fill=GRID, width=self.finer)
        ground = self.points[:, 0] * np.array([1.0, 0.0, 1.0])
        path = [(point[0], point[1] - first) for point in self._place(ground, frame)]
        draw.line(path, fill=PATH, width=self.finer)
        fade = np.clip(np.linspace(0, 2.2, height), 0, 1)[:, None] * np.ones(image.width)
        image.paste(band, (0, first), Image.fromarray((fade * 255).astype(np.uint8)))

    def _mesh(self, frame: int) -> list[tuple[Points, Points]]:
        """The grid's lines around the picture's middle."""
        reach = 2 * (self.half + DEPTH) + MESH
        x, _, z = self.centres[frame]
        lines = []
        for step in np.arange(-reach // MESH, reach // MESH + 1):
            for axis, middle, other in ((0, x, z), (2, z, x)):
                at = (np.floor(middle / MESH) + step) * MESH
                start, end = np.zeros(3), np.zeros(3)
                start[axis] = end[axis] = at
                start[2 - axis], end[2 - axis] = other - reach, other + reach
                lines.append((start, end))
        return lines

    def _draw_shadow(self, image: Image.Image, frame: int) -> None:
        """What light from straight above would leave dark."""
        scale = self.scale * self.finer
        steep = -float(self.camera.away[1])
        mask = Image.new("L", image.size, 0)
        draw = ImageDraw.Draw(mask)
        placed = self._place(self.points[frame] * np.array([1.0, 0.0, 1.0]), frame)
        for limb in LIMBS:
            draw_rod(
                draw,
                (_place(placed[limb.start]), _place(placed[limb.end])),
                (limb.thick * scale, limb.thin * scale),
                round(255 * SHADOW),
                flat=steep,
            )
        blur = 0.02 * scale
        left, upper, right, lower = mask.getbbox() or (0, 0, 1, 1)
        # The blur reaches some three times its radius.
        edge = 1 + int(3 * blur)
        dark = (left - edge, upper - edge, right + edge, lower + edge)
        soft = mask.crop(dark).filter(ImageFilter.GaussianBlur(blur))
        image.paste(Image.new("RGB", soft.size, SHADE), dark[:2], soft)


def _place(point: Points) -> Place:
    return (float(point[0]), float(point[1]))


def _smoothed(way: Points, calm: int) -> Points:
    """The mean over `calm` frames before and after, the ends held."""
    if calm == 0:
        return way
    held = np.pad(way, ((calm, calm), (0, 0)), mode="edge")
    window = np.ones(2 * calm + 1) / (2 * calm + 1)
    return np.stack([np.convolve(held[:, axis], window, mode="valid") for axis in range(3)], axis=1)
