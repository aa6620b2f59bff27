"""Reading the language model's system message from the user's copy of the published program.

We may not distribute the text. It is read as a literal: the program's file is parsed, and none
of its code is imported or run.
"""

import ast
import hashlib
from dataclasses import dataclass
from pathlib import Path

from hymotion.errors import brief
from hymotion.importing.errors import SourceError
from hymotion.importing.header import check_file
from hymotion.text.folder import Fingerprint

FILE = Path("hymotion", "network", "text_encoders", "model_constants.py")
NAME = "PROMPT_TEMPLATE_ENCODE_HUMAN_MOTION"
MAX_FILE = 2**20
"""Bytes that are read of the program's file."""

CLONE = "Clone the published repository at its first release and give that folder"


@dataclass(frozen=True)
class SystemMessage:
    """The text, and where it came from.

    Attributes:
        text: exactly as published.
        sha256: of its UTF-8 bytes.
        path: of the file that held it.
    """

    text: str
    sha256: str
    path: Path


def read_system_message(repository: Path, wanted: Fingerprint) -> SystemMessage:
    """Find the message in a clone of the published repository.

    Raises:
        SourceError: the file is missing, does not hold the text as a literal, or holds another
            text.
    """
    path = repository / FILE
    if not path.is_file():
        raise SourceError(
            f"it has no {FILE}, so it is not a copy of the published repository",
            mend=CLONE,
            path=repository,
        )
    check_file(path)
    text = _text(path, _value(path))
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not wanted.fits(text, digest):
        raise SourceError(
            f"{NAME} is another text ({len(text)} characters, sha256 {digest[:12]}…; "
            f"published: {wanted.length}, {wanted.begins}…{wanted.ends})",
            mend=f"{CLONE}; a model encodes prompts only with the message it was trained with",
            path=path,
        )
    return SystemMessage(text, digest, path)


def _value(path: Path) -> ast.expr:
    try:
        with path.open("rb") as file:
            tree = ast.parse(file.read(MAX_FILE), filename=str(path))
    # Of a file that nests deeply the parser says that memory or the stack is used up.
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = f"it is not a Python file ({brief(error) or type(error).__name__})"
        raise SourceError(problem, mend=CLONE, path=path) from error
    found = [value for node in tree.body if (value := _bound(node)) is not None]
    if not found:
        raise SourceError(f"it does not bind {NAME}", mend=CLONE, path=path)
    return found[-1]  # as in Python, the last one counts


def _bound(node: ast.stmt) -> ast.expr | None:
    """The expression that a statement binds to the name, or None."""
    if isinstance(node, ast.Assign):
        targets: list[ast.expr] = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    else:
        return None
    named = any(isinstance(target, ast.Name) and target.id == NAME for target in targets)
    return node.value if named else None


def _text(path: Path, node: ast.expr) -> str:
    try:
        value: object = ast.literal_eval(node)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise SourceError(
            f"{NAME} is computed (line {node.lineno}), not written as text; nothing was run",
            mend=CLONE,
            path=path,
        ) from error
    if not isinstance(value, str):
        kind = "a list of chat messages" if isinstance(value, list) else type(value).__name__
        raise SourceError(f"{NAME} is {kind}, not a text", mend=CLONE, path=path)
    return value
