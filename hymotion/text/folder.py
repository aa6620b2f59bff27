"""An installed text encoder: where its files are, and the system message, checked."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from hymotion.text.errors import EncoderFileError

SCHEMA = 1
IDENTITY_FILE = "encoder.json"
MESSAGE_FILE = "system_message.txt"
QWEN_FOLDER = "qwen"
CLIP_FOLDER = "clip"
MEND = "Import the model again: hymo models import --help says which files it takes"


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """How a text is known that is not ours to carry.

    Attributes:
        length: characters.
        begins, ends: hexadecimal digits that its UTF-8 bytes' sha256 begins and ends with.
    """

    length: int
    begins: str
    ends: str

    def fits(self, text: str, digest: str) -> bool:
        """Whether a text with this sha256 is the one."""
        sound = digest.startswith(self.begins) and digest.endswith(self.ends)
        return sound and len(text) == self.length


UPSTREAM_MESSAGE = Fingerprint(length=449, begins="b9c55290", ends="5283")
"""The system message of the published repository, which is not shipped here."""


@dataclass(frozen=True)
class TextFolder:
    """A folder with `encoder.json`, `system_message.txt`, `qwen/` and `clip/`.

    Attributes:
        path: of the folder.
        revision: "te-" and 12 hex digits; differs whenever weights, tokenizers or message differ.
        message: the system message, exactly.
    """

    path: Path
    revision: str
    message: str

    @property
    def qwen(self) -> Path:
        """The folder of the language model."""
        return self.path / QWEN_FOLDER

    @property
    def clip(self) -> Path:
        """The folder of CLIP."""
        return self.path / CLIP_FOLDER

    @classmethod
    def read(cls, path: Path) -> "TextFolder":
        """Read and check a folder; an import has compared the message with the published one.

        Raises:
            EncoderFileError: a file is missing, or the message is not the recorded one.
        """
        identity = _identity(path / IDENTITY_FILE)
        message = _message(path / MESSAGE_FILE)
        digest = hashlib.sha256(message).hexdigest()
        if digest != identity["system_message_sha256"]:
            raise EncoderFileError(
                f"this is not the system message that was imported (sha256 {digest})",
                mend=MEND,
                path=path / MESSAGE_FILE,
            )
        for folder in (path / QWEN_FOLDER, path / CLIP_FOLDER):
            if not (folder / "config.json").is_file():
                raise EncoderFileError("config.json is missing", mend=MEND, path=folder)
        return cls(path=path, revision=identity["revision"], message=message.decode("utf-8"))


def read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file.

    Raises:
        EncoderFileError: it is absent, or no JSON object.
    """
    try:
        found: object = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EncoderFileError(
            f"cannot be read ({error.strerror})", mend=MEND, path=path
        ) from error
    except ValueError as error:
        raise EncoderFileError("is no JSON", mend=MEND, path=path) from error
    if not isinstance(found, dict):
        raise EncoderFileError("holds no JSON object", mend=MEND, path=path)
    return found


def _identity(path: Path) -> dict[str, str]:
    found = read_json(path)
    if found.get("schema") != SCHEMA:
        problem = f"has schema {found.get('schema')!r}, this version reads {SCHEMA}"
        raise EncoderFileError(problem, mend=MEND, path=path)
    wanted = ("revision", "system_message_sha256")
    named = {key: value for key in wanted if isinstance(value := found.get(key), str) and value}
    if len(named) < len(wanted):
        raise EncoderFileError(f"lacks {' or '.join(wanted)}", mend=MEND, path=path)
    return named


def _message(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EncoderFileError(
            "the system message is missing, and the text encoder does not work without it",
            mend="Import the model again with --upstream, a copy of the published repository,"
            " which has the message",
            path=path,
        ) from error
