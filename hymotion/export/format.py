"""The formats a motion can be written in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from hymotion.body.motion import Motion
from hymotion.export.bvh import write_bvh
from hymotion.export.glb import write_glb
from hymotion.export.npz import Metadata, write_npz
from hymotion.export.options import AS_IT_IS, ExportOptions


class Write(Protocol):
    """Writes a motion to a path. BVH cannot hold metadata.

    An existing file is overwritten; with `new`, a file or link of that name is a `FileExistsError`.
    """

    def __call__(
        self,
        motion: Motion,
        path: Path,
        metadata: Metadata,
        options: ExportOptions = AS_IT_IS,
        *,
        new: bool = False,
    ) -> None: ...


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        extension: of its files, with the dot.
        write: writes a motion in the format.
    """

    extension: str
    write: Write


def _npz(
    motion: Motion,
    path: Path,
    metadata: Metadata,
    options: ExportOptions = AS_IT_IS,
    *,
    new: bool = False,
) -> None:
    with path.open("xb" if new else "wb") as file:
        write_npz(motion, file, metadata=metadata, options=options)


def _bvh(
    motion: Motion,
    path: Path,
    metadata: Metadata,  # noqa: ARG001 — .bvh has no room for it
    options: ExportOptions = AS_IT_IS,
    *,
    new: bool = False,
) -> None:
    with path.open("x" if new else "w", encoding="ascii", newline="\n") as file:
        write_bvh(motion, file, options=options)


def _glb(
    motion: Motion,
    path: Path,
    metadata: Metadata,
    options: ExportOptions = AS_IT_IS,
    *,
    new: bool = False,
) -> None:
    with path.open("xb" if new else "wb") as file:
        write_glb(motion, file, metadata=metadata, options=options)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "npz": Format(extension=".npz", write=_npz),
        "bvh": Format(extension=".bvh", write=_bvh),
        "glb": Format(extension=".glb", write=_glb),
    }
)
