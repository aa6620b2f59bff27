"""The mocap archives of a data folder: takes on our skeleton."""

import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from hymotion.training.errors import MocapError
from hymotion.training.mocap.bvh import read_bvh
from hymotion.training.mocap.clip import Clip
from hymotion.training.mocap.deepmimic import read_deepmimic
from hymotion.training.mocap.retarget import CMU, DEEPMIMIC, retarget

SOURCES = ("cmu", "deepmimic")
PREFIX = "humanoid3d_"
MEND = "Give the folder with cmu.tar.xz (BVH files) and deepmimic.tar.xz (humanoid3d files)"


def read_takes(folder: Path, wanted: Collection[str]) -> dict[str, Clip]:
    """The wanted takes by name.

    Raises:
        MocapError: an archive or a take is missing or damaged.
    """
    takes: dict[str, Clip] = {}
    for source in SOURCES:
        for take, text in _texts(archive(folder, source)):
            if take not in wanted:
                continue
            cmu = source == "cmu"
            capture = (read_bvh if cmu else read_deepmimic)(text, where=take)
            rig = CMU if cmu else DEEPMIMIC
            takes[take] = retarget(capture, rig, name=take, source=source, take=take)
    missing = sorted(set(wanted) - set(takes))
    if missing:
        raise MocapError(f"lacks {', '.join(missing)}", mend=MEND, where=str(folder))
    return takes


def archive(folder: Path, source: str) -> Path:
    """Where a source's takes are in a data folder."""
    return folder / f"{source}.tar.xz"


def _texts(archive: Path) -> Iterator[tuple[str, str]]:
    """Takes and their texts; nothing is unpacked onto the disk."""
    try:
        with tarfile.open(archive, "r:xz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                file = tar.extractfile(member) if member.isfile() else None
                motion = path.suffix == ".bvh" or path.name.startswith(PREFIX)
                if file is not None and motion:
                    yield path.stem.removeprefix(PREFIX), file.read().decode("utf-8")
    except (OSError, tarfile.TarError, EOFError) as error:
        raise MocapError(f"cannot be read ({error})", mend=MEND, where=str(archive)) from error
