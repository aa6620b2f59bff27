"""What an import will do, decided and checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hymotion.importing.licence import Licence
from hymotion.importing.stream import OnBytes


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the user gave.

    Attributes:
        full, lite: folders of the two modes; any of them.
        upstream, qwen, clip: the published program's clone and the text models' folders; all or
            none, as they are one text encoder together.
        link: leave what is in our format already where it is, and link to it.
        text_revision: of the text encoder on the machines that have it, where this one gets none.
    """

    full: Path | None = None
    lite: Path | None = None
    upstream: Path | None = None
    qwen: Path | None = None
    clip: Path | None = None
    link: bool = False
    text_revision: str | None = None


@dataclass(frozen=True)
class Step:
    """One file to be made.

    Attributes:
        part: `full`, `lite` or `text`.
        action: `convert`, `copy`, `link`, or `compare` where the part is installed already.
        source: of the numbers.
        target: inside the model's folder.
        bytes: that it writes.
        work: bytes that are read, hashed and written for it, for a bar.
    """

    part: str
    action: str
    source: Path
    target: str
    bytes: int
    work: int


@dataclass(frozen=True)
class Built:
    """A part that was made, or what would have been made.

    Attributes:
        revision: of the part.
        entry: for `model.json`.
        sources: likewise, where it came from.
    """

    revision: str
    entry: Mapping[str, Any]
    sources: Sequence[Mapping[str, Any]]


class Part(Protocol):
    """What is installed, replaced and removed as one."""

    @property
    def name(self) -> str:
        """`full`, `lite` or `text`."""

    @property
    def folders(self) -> Sequence[Path]:
        """The user's folders that it comes from, in which licences may lie."""

    def steps(self) -> Sequence[Step]:
        """What `build` does."""

    def build(self, folder: Path, on_bytes: OnBytes | None) -> Built:
        """Make the part's files in a folder, which may hold what a cut run left."""

    def compare(self, on_bytes: OnBytes | None) -> str:
        """The revision that `build` would give."""


@dataclass(frozen=True)
class ImportPlan:
    """An import.

    Attributes:
        parts: that will be made, checked as far as is cheap.
        steps: of them, in order.
        installed: names of parts that are there already and will be compared with what was given.
        text_revision: to be recorded where there is no text part.
        free: bytes of the disk that are free.
        kept: bytes that a cut run left, which need not be written again.
        licence: what the user is to be told.
    """

    parts: Sequence[Part]
    steps: Sequence[Step]
    installed: frozenset[str]
    text_revision: str | None
    free: int
    kept: int
    licence: Licence

    @property
    def bytes(self) -> int:
        """That will be written, if nothing of it is there."""
        return sum(step.bytes for step in self.steps)

    @property
    def work(self) -> int:
        """Bytes to read, hash and write."""
        return sum(step.work for step in self.steps)
