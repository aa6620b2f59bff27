"""Licence notices for an imported model; not legal advice. The publishers' texts are decisive."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

NOTICES: Mapping[str, str] = {
    "model": (
        "HY-Motion 1.0's weights are published under the Tencent HY-Motion 1.0 community licence. "
        "It does not cover the European Union, the United Kingdom and South Korea, and does not "
        "allow what the model makes to train other models. Read it before you use them."
    ),
    "qwen": "Qwen3-8B is published under the Apache License 2.0.",
    "clip": "CLIP ViT-L/14 is published under the MIT licence.",
}
"""Our notice for each part."""

BEGIN = ("license", "licence", "notice")
"""Prefixes of the names of the publishers' licence files, in any case."""


@dataclass(frozen=True)
class Licence:
    """The licence information shown to the user.

    Attributes:
        notices: one or more sentences on each imported part.
        files: the publishers' licence files found in the given folders.
    """

    notices: Mapping[str, str]
    files: tuple[Path, ...]

    def record(self, shown: datetime) -> dict[str, object]:
        """The entry for `model.json`."""
        return {
            "notices": dict(self.notices),
            "files": [str(path) for path in self.files],
            "shown_at": shown.isoformat(timespec="seconds"),
        }


def licence_of(parts: Iterable[str], folders: Iterable[Path]) -> Licence:
    """The licence information of some parts.

    Args:
        parts: keys of `NOTICES`.
        folders: that may hold the publishers' licence files.
    """
    found = (
        path.absolute()
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.lower().startswith(BEGIN)
    )
    return Licence({part: NOTICES[part] for part in parts}, tuple(dict.fromkeys(found)))
