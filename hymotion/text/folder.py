"""An installed text encoder: its files and its verified system message."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from hymotion.config import MAX_LAYERS
from hymotion.errors import brief, shown
from hymotion.parsing import plain_data
from hymotion.parsing.plain_data import PlainDataError
from hymotion.text.errors import EncoderFileError

SCHEMA = 1
IDENTITY_FILE = "encoder.json"
MESSAGE_FILE = "system_message.txt"
QWEN_FOLDER = "qwen"
CLIP_FOLDER = "clip"
MEND = "Import the model again: hymo models import --help says which files it takes"


MAX_MESSAGE = 2**20
"""Bytes that are read of a system message; the published one has a few hundred."""

MAX_NUMBER = 2**31
"""The largest number in a model's configuration."""

REFUSED = (
    "auto_map",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
)
"""Keys of a configuration that make the library fetch or run code that is not its own."""


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Identifies a text that we may not distribute.

    Attributes:
        length: in characters.
        begins, ends: first and last hexadecimal digits of the sha256 of its UTF-8 bytes.
    """

    length: int
    begins: str
    ends: str

    def fits(self, text: str, digest: str) -> bool:
        """Whether this text, with this sha256, matches."""
        sound = digest.startswith(self.begins) and digest.endswith(self.ends)
        return sound and len(text) == self.length


UPSTREAM_MESSAGE = Fingerprint(length=449, begins="b9c55290", ends="5283")
"""Fingerprint of the published repository's system message, which is not shipped here."""


@dataclass(frozen=True)
class TextFolder:
    """A folder with `encoder.json`, `system_message.txt`, `qwen/` and `clip/`.

    Attributes:
        path: of the folder.
        revision: "te-" and 12 hex digits that depend on weights, tokenizers and message.
        message: the exact system message.
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
        """Read and check a folder; the import already compared its message with the published one.

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
        try:
            text = message.decode("utf-8")
        except UnicodeDecodeError as error:
            raise EncoderFileError("is not UTF-8", mend=MEND, path=path / MESSAGE_FILE) from error
        return cls(path=path, revision=identity["revision"], message=text)


def read_json(path: Path) -> dict[str, object]:
    """The object in a JSON file.

    Raises:
        EncoderFileError: the file is absent or does not hold a JSON object.
    """
    try:
        found = plain_data.read_json(path)
    except OSError as error:
        raise EncoderFileError(
            f"cannot be read ({error.strerror})", mend=MEND, path=path
        ) from error
    except PlainDataError as error:
        raise EncoderFileError(f"is not JSON ({error})", mend=MEND, path=path) from error
    if not isinstance(found, dict):
        raise EncoderFileError("holds no JSON object", mend=MEND, path=path)
    return found


def read_config(folder: Path) -> dict[str, object]:
    """The `config.json` of one of the two models, checked for what a model may not ask for.

    Raises:
        EncoderFileError: the file is absent, no JSON object, has numbers that no model has, or
            names code or kernels to be used.
    """
    path = folder / "config.json"
    config = read_json(path)
    sections = [config]
    while sections:
        for key, value in sections.pop().items():
            if isinstance(value, dict):
                sections.append(value)
            layers = key.endswith("layers") and isinstance(value, int) and value > MAX_LAYERS
            if key in REFUSED:
                problem = f"names {key}, and no code or kernels of a model's own are used"
            elif layers or (isinstance(value, (int, float)) and abs(value) > MAX_NUMBER):
                problem = f"has {brief(key)} {shown(value)}, which no such model has"
            else:
                continue
            raise EncoderFileError(problem, mend=MEND, path=path)
    return config


def _identity(path: Path) -> dict[str, str]:
    found = read_json(path)
    if found.get("schema") != SCHEMA:
        problem = f"has schema {shown(found.get('schema'))}, this version reads {SCHEMA}"
        raise EncoderFileError(problem, mend=MEND, path=path)
    wanted = ("revision", "system_message_sha256")
    named = {key: value for key in wanted if isinstance(value := found.get(key), str) and value}
    if len(named) < len(wanted):
        raise EncoderFileError(f"lacks {' or '.join(wanted)}", mend=MEND, path=path)
    return named


def _message(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_MESSAGE)
    except OSError as error:
        raise EncoderFileError(
            "the system message is missing, and the text encoder does not work without it",
            mend="Import the model again with --upstream, a copy of the published repository,"
            " which has the message",
            path=path,
        ) from error
