"""The plan of an import, decided and checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hymotion.importing.licence import Licence
from hymotion.importing.stream import OnBytes


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The user's input.

    Attributes:
        full, lite: folders of the two modes; both, one or none.
        upstream, qwen, clip: the published program's clone and the text models' folders; all or
            none, as together they are one text encoder.
        link: link to files that are already in our format instead of copying them.
        text_revision: of the text encoder on other machines, if this one gets none.
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
    """One file to install.

    Attributes:
        part: `full`, `lite` or `text`.
        action: `convert`, `copy`, `link`, or `compare` if the part is already installed.
        source: the file that is read.
        target: path inside the model's folder.
        bytes: number of bytes written.
        work: number of bytes read, hashed and written, for a progress bar.
    """

    part: str
    action: str
    source: Path
    target: str
    bytes: int
    work: int


@dataclass(frozen=True)
class Built:
    """A part that was built, or would be built.

    Attributes:
        revision: of the part.
        entry: its entry in `model.json`.
        sources: the entries of its sources in `model.json`.
    """

    revision: str
    entry: Mapping[str, Any]
    sources: Sequence[Mapping[str, Any]]


class Part(Protocol):
    """The unit of installation, replacement and removal."""

    @property
    def name(self) -> str:
        """`full`, `lite` or `text`."""

    @property
    def folders(self) -> Sequence[Path]:
        """The user's folders that it comes from, which may hold licence files."""

    def steps(self) -> Sequence[Step]:
        """The steps of `build`."""

    def build(self, folder: Path, on_bytes: OnBytes | None) -> Built:
        """Build the part's files in a folder, which may hold files of an interrupted run."""

    def compare(self, on_bytes: OnBytes | None) -> str:
        """The revision that `build` would produce."""


@dataclass(frozen=True)
class ImportPlan:
    """An import.

    Attributes:
        parts: the parts to install, after cheap checks.
        steps: their steps, in order.
        installed: names of the parts that are already installed and will only be compared.
        text_revision: revision to record if there is no text part.
        free: free bytes on the disk.
        kept: bytes left by an interrupted run, which need not be written again.
        licence: the licence information to show to the user.
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
        """Number of bytes to write, not counting what is already there."""
        return sum(step.bytes for step in self.steps)

    @property
    def work(self) -> int:
        """Number of bytes to read, hash and write."""
        return sum(step.work for step in self.steps)
