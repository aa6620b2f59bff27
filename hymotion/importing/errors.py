"""What keeps a model from being imported; each error names the mend."""

from pathlib import Path

from hymotion.errors import FileError, HymotionError, TensorMismatchError


class SourceError(FileError):
    """A file or folder that the user gave is not what it should be."""


class WrongWeightsError(TensorMismatchError):
    """The file's tensors are not the network's, and what they are is known.

    Attributes:
        cause: what the file likely is instead.
    """

    def __init__(self, found: TensorMismatchError, *, cause: str, mend: str) -> None:
        super().__init__(
            path=found.path,
            missing=found.missing,
            unexpected=found.unexpected,
            mismatched=found.mismatched,
        )
        self.problem = f"{self.problem}. Likely {cause}"
        self.mend = mend
        self.args = (f"{self.problem}. {mend}.",)
        self.cause = cause


class RoomError(HymotionError):
    """The disk has no room.

    Attributes:
        path: of the file or folder that was to be written.
        wanted, free: bytes.
    """

    def __init__(self, path: Path, *, wanted: int, free: int, kept: Path | None) -> None:
        again = (
            "" if kept is None else f"; what is written stays in {kept} and is not written twice"
        )
        super().__init__(
            f"{path}: the disk is full: {wanted:,} bytes are wanted, {free:,} are free",
            mend=f"Make room and import again{again}",
        )
        self.path = path
        self.wanted = wanted
        self.free = free


class DifferentError(HymotionError):
    """A part is installed already and is not what was given; carries the part's name."""

    def __init__(self, part: str, *, installed: str, given: str) -> None:
        super().__init__(
            f"{part} is installed already as {installed}, and what was given is {given}",
            mend=f"Remove it first: hymo models remove hy-motion-1.0 --only {part}",
        )
        self.part = part
        self.installed = installed
        self.given = given
