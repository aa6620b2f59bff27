"""Encoded texts that no worker has used for some time.

`hymotion.text.store` writes them as `<root>/<revision>/<aa>/<sha256>.safetensors` and touches a
file whenever it is used. They belong to no job: a text that is wanted again is encoded again.
"""

from __future__ import annotations

import re
from pathlib import Path

from jobs.artifacts.directory import Directory, FileCount

_NAME = re.compile(r"([0-9a-f]{2})[0-9a-f]{62}\.safetensors")


def unused_texts(root: Path, *, before: float, remove: bool) -> FileCount:
    """Count, and remove if wanted, the texts that were last used before a time.

    Args:
        root: the folder of encoded texts; it need not exist.
        before: epoch seconds by this machine's clock.
        remove: whether to remove them.

    Raises:
        OSError: a folder cannot be read, or a file cannot be removed.
    """
    count = FileCount()
    if not root.is_dir():
        return count
    with Directory.open(root) as top:
        for revision in top.folders():
            with top.inner(revision) as texts:
                for name in texts.folders():
                    with texts.inner(name) as folder:
                        _sweep(folder, name, before, count, remove=remove)
    return count


def _sweep(
    folder: Directory, prefix: str, before: float, count: FileCount, *, remove: bool
) -> None:
    for file in list(folder.files()):
        named = _NAME.fullmatch(file.name)
        if named is None or named[1] != prefix or file.used_at >= before:
            continue
        if remove:
            folder.unlink(file.name)
        count.add(file)
