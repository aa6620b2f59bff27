"""Every error the model library raises on purpose.

They share one base class, so a caller can catch exactly these. Each error carries its data as
attributes, and its message ends with the mend: what the reader can do about it.
"""

import math
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path

SHOWN = 40
"""Characters of a value in a file that a message shows."""

BRIEF = 200
"""Characters of a library's message that one of ours shows."""


def shown(value: object) -> str:
    """A value for a message: quoted, escaped, and cut to `SHOWN` characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
    try:
        text = reprlib.repr(value)  # a nested value may be too deep for repr itself
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def brief(text: object) -> str:
    """The first line of a message that is not ours, printable and cut to `BRIEF` characters."""
    line = str(text).strip().partition("\n")[0][: BRIEF + 1]
    line = "".join(mark if mark.isprintable() else "�" for mark in line)
    return line if len(line) <= BRIEF else f"{line[:BRIEF]}…"


class HymotionError(Exception):
    """Root of the library's errors.

    Attributes:
        problem: what is wrong, one sentence without the final stop.
        mend: what to do about it, one sentence without the final stop.
    """

    def __init__(self, problem: str, *, mend: str) -> None:
        super().__init__(f"{problem}. {mend}.")
        self.problem = problem
        self.mend = mend


class FileError(HymotionError):
    """A file or folder that is not what it should be; carries its path."""

    def __init__(self, problem: str, *, mend: str, path: Path) -> None:
        super().__init__(f"{path}: {problem}", mend=mend)
        self.path = path


class ValueRefusedError(HymotionError):
    """A value that cannot be used; carries the field and the value."""

    def __init__(self, problem: str, *, mend: str, field: str, value: object) -> None:
        super().__init__(problem, mend=mend)
        self.field = field
        self.value = value


class ConfigError(HymotionError):
    """A config.yml that does not describe a supported network; carries the path and the key."""

    def __init__(self, problem: str, *, mend: str, path: Path | None, key: str | None) -> None:
        where = str(path) if path is not None else "config"
        super().__init__(f"{where}: {problem}", mend=mend)
        self.path = path
        self.key = key


class CheckpointError(FileError):
    """A weight file that is absent, damaged, unsafe, or made for another network."""


class TensorMismatchError(CheckpointError):
    """The file's tensors do not match the network's; the message names the first differences.

    Attributes:
        missing: tensors that only the network has.
        unexpected: tensors that only the file has.
        mismatched: "name: file has A, network has B" for tensors of a different shape or type.
    """

    SHOWN = 3

    def __init__(
        self,
        *,
        path: Path,
        missing: Sequence[str],
        unexpected: Sequence[str],
        mismatched: Sequence[str],
    ) -> None:
        parts = [
            f"{len(names)} {kind} ({', '.join(map(brief, names[: self.SHOWN]))}"
            f"{', …' if len(names) > self.SHOWN else ''})"
            for kind, names in (
                ("missing", missing),
                ("unexpected", unexpected),
                ("of another shape or type", mismatched),
            )
            if names
        ]
        super().__init__(
            f"the tensors do not fit the network: {'; '.join(parts)}",
            mend="Use the config.yml published with this checkpoint, or fetch the file again",
            path=path,
        )
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.mismatched = tuple(mismatched)


class RequestError(ValueRefusedError):
    """A request that no model, or not this model, can serve."""


class EncoderMissingError(HymotionError):
    """Prompts were given to a pipeline that has no text encoder."""


class DeviceError(HymotionError):
    """A device or number type that is unknown or absent on this machine."""


class NumericsError(HymotionError):
    """Sampling produced velocities that are not finite or far too large.

    Attributes:
        step: the first solver step, 1-based, with such a velocity.
        total: number of steps requested.
        indices: positions in the pack of the affected requests, ascending.
        peaks: the largest |v| of each affected request; NaN or infinite where not finite.
        reasons: `NON_FINITE` or `EXPLODING` for each affected request.
    """

    NON_FINITE = "non-finite"
    EXPLODING = "exploding"

    def __init__(
        self,
        *,
        step: int,
        total: int,
        indices: Sequence[int],
        peaks: Mapping[int, float] | None = None,
    ) -> None:
        self.step = step
        self.total = total
        self.indices = tuple(indices)
        self.peaks = {index: (peaks or {}).get(index, math.nan) for index in self.indices}
        self.reasons = {
            index: self.EXPLODING if math.isfinite(peak) else self.NON_FINITE
            for index, peak in self.peaks.items()
        }
        shown = ", ".join(map(str, self.indices))
        super().__init__(
            f"the velocity broke at step {step} of {total}, requests {shown} of the pack: "
            f"{self._told()}",
            mend="Sample these requests again in float32 or with a lower guidance scale",
        )

    def _told(self) -> str:
        sizes = [peak for peak in self.peaks.values() if math.isfinite(peak)]
        lost = len(self.peaks) - len(sizes)
        parts = [f"{lost} {self.NON_FINITE}"] if lost else []
        if sizes:
            parts.append(f"{len(sizes)} {self.EXPLODING}, up to {max(sizes):.3g}")
        return ", ".join(parts) or "none known"


class ExportError(HymotionError):
    """A motion or its metadata cannot be written in the requested format."""


class MotionFileError(FileError):
    """A file that cannot be read as a motion."""


class PictureError(HymotionError):
    """Motions that cannot be drawn as the requested picture."""


class MeasureError(ValueRefusedError):
    """A motion or a set of motions that cannot be measured."""


class GoldenError(FileError):
    """A folder of golden fixtures that cannot be used."""
