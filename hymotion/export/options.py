"""How a motion is written: what a program that reads it expects."""

from dataclasses import dataclass

from hymotion.errors import ExportError
from hymotion.export.names import JOINT_NAMES

FRAME_RATES = (24, 30, 60)
UPS = ("y", "z")
UNITS = {"m": 1.0, "cm": 100.0}
"""Unit → how many of it are in a metre."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What to write, for every format.

    Attributes:
        fps: frames a second, 24, 30 or 60; None: as the motion is. Rotations between frames
            lie on the shortest arc, positions on the straight line.
        in_place: keep the pelvis over the origin; it still goes up and down and turns.
        up: the axis that points up, "y" or "z".
        scale: the unit of lengths, "cm" or "m"; None: the format's own.
        names: of the joints, a key of `JOINT_NAMES`.

    Raises:
        ExportError: a value is none of these.
    """

    fps: int | None = None
    in_place: bool = False
    up: str = "y"
    scale: str | None = None
    names: str = "own"

    def __post_init__(self) -> None:
        _one_of("fps", self.fps, (None, *FRAME_RATES))
        _one_of("up", self.up, UPS)
        _one_of("scale", self.scale, (None, *UNITS))
        _one_of("names", self.names, tuple(JOINT_NAMES))

    def units(self, own: str) -> float:
        """How many units are in a metre, where the format's own unit is `own`."""
        return UNITS[self.scale or own]


def _one_of(field: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        choices = ", ".join(str(each) for each in known if each is not None)
        raise ExportError(f"{field} cannot be {value!r}", mend=f"Choose one of {choices}")


AS_IT_IS = ExportOptions()
"""The motion as it was made, in the format's own unit."""
