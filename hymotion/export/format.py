"""The formats a motion can be written in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hymotion.export.bvh import write_bvh
from hymotion.export.npz import Metadata, write_npz
from hymotion.motion import Motion


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        extension: of its files, with the dot.
        write: (motion, path, metadata) → nothing; overwrites the path. BVH has no place for
            metadata and leaves it out.
    """

    extension: str
    write: Callable[[Motion, Path, Metadata], None]


def _npz(motion: Motion, path: Path, metadata: Metadata) -> None:
    with path.open("wb") as file:
        write_npz(motion, file, metadata=metadata)


def _bvh(motion: Motion, path: Path, metadata: Metadata) -> None:  # noqa: ARG001
    with path.open("w", encoding="ascii", newline="\n") as file:
        write_bvh(motion, file)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "npz": Format(extension=".npz", write=_npz),
        "bvh": Format(extension=".bvh", write=_bvh),
    }
)
