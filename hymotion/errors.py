"""Every error the model library raises on purpose.

One root, so a caller can catch the room's errors and nothing else. Each error carries its data
as attributes and ends its message with the mend: what the reader can do about it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path


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
    """A config.yml that cannot describe a network we know; carries the path and the key."""

    def __init__(self, problem: str, *, mend: str, path: Path | None, key: str | None) -> None:
        where = str(path) if path is not None else "config"
        super().__init__(f"{where}: {problem}", mend=mend)
        self.path = path
        self.key = key


class CheckpointError(FileError):
    """A weight file that is absent, damaged, unsafe, or made for another network."""


class TensorMismatchError(CheckpointError):
    """The file's tensors are not the network's; names the first that differ.

    Attributes:
        missing: tensors the network has and the file lacks.
        unexpected: tensors the file has and the network lacks.
        mismatched: "name: file has A, network has B" for tensors of another shape or type.
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
            f"{len(names)} {kind} ({', '.join(names[: self.SHOWN])}"
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
    """A request no model or not this model can serve."""


class EncoderMissingError(HymotionError):
    """Prompts were given to a pipeline that has no text encoder."""


class DeviceError(HymotionError):
    """A device or number type that is unknown or absent on this machine."""


class NumericsError(HymotionError):
    """Sampling left the numbers that can be trusted.

    Attributes:
        step: the first solver step, 1-based, whose velocity was broken.
        total: how many steps were asked for.
        indices: positions in the pack of the requests that broke, ascending.
        peaks: the largest |v| of each of these requests; NaN or infinite where not finite.
        reasons: of each of them, `NON_FINITE` or `EXPLODING`.
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
    """A motion or its metadata cannot be written in the wanted format."""


class MotionFileError(FileError):
    """A file that cannot be read as a motion."""


class PictureError(HymotionError):
    """Motions of which the wanted picture cannot be drawn."""


class MeasureError(ValueRefusedError):
    """A motion or a set of motions that cannot be measured."""


class GoldenError(FileError):
    """A folder of golden fixtures that cannot be used."""
