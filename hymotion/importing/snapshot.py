"""Folders as the Hugging Face hub's client keeps them.

`models--<organisation>--<name>/` holds `refs/main` with a revision, `snapshots/<revision>/` with
links, and `blobs/` with the files. A large file's blob is named after its sha256.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from hymotion.importing.errors import SourceError

PREFIX = "models--"
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubSnapshot:
    """A folder of files, and what the hub's client tells of it.

    Attributes:
        folder: where the files are.
        repository: "organisation/name"; None where the folder is no snapshot.
        revision: of the repository; None likewise.
    """

    folder: Path
    repository: str | None = None
    revision: str | None = None


def snapshot(folder: Path) -> HubSnapshot:
    """The folder with the files of `folder`, which may be a repository of the hub's cache.

    Raises:
        SourceError: it has several snapshots, or none, and does not say which is meant.
    """
    if (folder / "snapshots").is_dir():
        folder = _chosen(folder)
    # Links are kept: what a snapshot's files are called is told by it, not by the blobs.
    whole = folder.absolute()
    for inner in (whole, *whole.parents):
        holder = inner.parent.parent
        if inner.parent.name == "snapshots" and holder.name.startswith(PREFIX):
            repository = holder.name.removeprefix(PREFIX).replace("--", "/", 1)
            return HubSnapshot(folder, repository, inner.name)
    return HubSnapshot(folder)


def promised_sha256(path: Path) -> str | None:
    """The sha256 that the hub's client says a file has; None where it does not say."""
    real = path.resolve()
    if real.parent.name == "blobs" and SHA256.fullmatch(real.name):
        return real.name
    return None


def _chosen(repository: Path) -> Path:
    main = repository / "refs" / "main"
    if main.is_file():
        chosen = repository / "snapshots" / main.read_text("utf-8").strip()
        if chosen.is_dir():
            return chosen
    found = sorted(path for path in (repository / "snapshots").iterdir() if path.is_dir())
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.name for path in found)
    raise SourceError(
        f"it has {len(found)} snapshots ({names})" if found else "it has no snapshot",
        mend="Name one of them: snapshots/<revision>" if found else "Download the model again",
        path=repository,
    )
