"""Export options, which match what the reading program expects."""

from dataclasses import dataclass

from hymotion.errors import ExportError
from hymotion.export.names import JOINT_NAMES

FRAME_RATES = (24, 30, 60)
UPS = ("y", "z")
UNITS = {"m": 1.0, "cm": 100.0}
"""Unit → units per metre."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options for all formats.

    Attributes:
        fps: frames per second, 24, 30 or 60; None keeps the motion's. Rotations are interpolated
            along the shortest arc, positions linearly.
        in_place: keep the pelvis above the origin; it still moves vertically and turns.
        up: the axis that points up, "y" or "z".
        scale: the unit of lengths, "cm" or "m"; None: the format's default.
        names: naming scheme of the joints, a key of `JOINT_NAMES`.

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
        """Units per metre, if the format's default unit is `own`."""
        return UNITS[self.scale or own]


def _one_of(field: str, value: object, known: tuple[object, ...]) -> None:
    if value not in known:
        choices = ", ".join(str(each) for each in known if each is not None)
        raise ExportError(f"{field} cannot be {value!r}", mend=f"Choose one of {choices}")


AS_IT_IS = ExportOptions()
"""The default options: the motion unchanged, in the format's default unit."""
