"""Whose licences an imported model is under. A notice, no advice; the texts are the publishers'."""

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
"""What is said of each part, in our words."""

BEGIN = ("license", "licence", "notice")
"""How the names of the publishers' own texts begin, whatever their case."""


@dataclass(frozen=True)
class Licence:
    """What the user was told.

    Attributes:
        notices: a sentence or more on each part that is imported.
        files: the publishers' own texts, as found beside what was given.
    """

    notices: Mapping[str, str]
    files: tuple[Path, ...]

    def record(self, shown: datetime) -> dict[str, object]:
        """For `model.json`."""
        return {
            "notices": dict(self.notices),
            "files": [str(path) for path in self.files],
            "shown_at": shown.isoformat(timespec="seconds"),
        }


def licence_of(parts: Iterable[str], folders: Iterable[Path]) -> Licence:
    """The licence of some parts.

    Args:
        parts: of `NOTICES`.
        folders: in which the publishers' texts may lie.
    """
    found = (
        path.absolute()
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.lower().startswith(BEGIN)
    )
    return Licence({part: NOTICES[part] for part in parts}, tuple(dict.fromkeys(found)))
