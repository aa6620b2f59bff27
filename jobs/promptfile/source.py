"""An open prompt file, which can be read several times in bounded memory."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from jobs.promptfile.encoding import Encoding, encoding_of, undecodable
from jobs.promptfile.problem import Problem, PromptFileError, UnreadableError, plain

#: Format by file extension.
EXTENSIONS = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt",
    ".json": "json",
}  # fmt: skip
#: Files of spreadsheet programs, which are not text.
WORKBOOKS = frozenset({".xlsx", ".xls", ".xlsm", ".ods", ".numbers"})
PROMPT_FORMATS: tuple[str, ...] = ("csv", "tsv", "jsonl", "txt", "json")
STDIN = "-"
#: The origin of all input that is no regular file; its content names the batch.
STREAM = "stdin"
#: Maximum characters of a line, and of a CSV row; a longer one lacks a quote or a newline.
MAX_LINE = 16 * 2**20

#: Maximum bytes of standard input, pipes and devices, which are copied to a temporary file.
MAX_STREAM = 2**30

#: Paths that name what another program has opened: the same path is another file each time.
_DESCRIPTORS = ("/dev/fd/", "/dev/stdin", "/proc/")


@dataclass(frozen=True)
class Source:
    """An open prompt file.

    Attributes:
        name: the name that the user gave; `stdin` for standard input.
        origin: the absolute path of a regular file, else `STREAM`; stored with the batch.
        stem: the name without folder and extension, from which the default batch name is derived.
            For standard input and pipes it is made of the content's sha256, so that different
            inputs are different batches.
        folder: the folder for files that are written beside the input.
        format: one of `PROMPT_FORMATS`.
        binary: the seekable file; closed by `open_source`.
        encoding: the encoding that the user gave, if any.
    """

    name: str
    origin: str
    stem: str
    folder: Path
    format: str
    binary: BinaryIO
    encoding: str | None = None

    def decoding(self) -> Encoding:
        """How the file's bytes become text.

        Raises:
            UnreadableError: it contradicts the encoding given, or is UTF-32.
        """
        return encoding_of(self.binary, self.encoding)

    @contextmanager
    def text(self) -> Iterator[TextIO]:
        """The file's text from its beginning.

        All kinds of newlines become `\\n`, and a byte-order mark is dropped. In UTF-8, bytes that
        are no text become U+DC80 to U+DCFF, which validation rejects.

        Raises:
            UnreadableError: as `decoding`; or bytes are no text in the encoding given.
        """
        used = self.decoding()
        self.binary.seek(0)
        text = io.TextIOWrapper(self.binary, used.codec, errors=used.errors, newline=None)
        try:
            yield text
        except UnicodeDecodeError as error:
            raise UnreadableError(undecodable(self.binary, used, error)) from error
        finally:
            text.detach()


@contextmanager
def open_source(
    argument: str, *, format_name: str | None, stdin: BinaryIO, encoding: str | None = None
) -> Iterator[Source]:
    """Open the prompt file that a command-line argument names; `-` is standard input.

    Standard input, pipes and devices are copied to a temporary file, since the file is read more
    than once, and are read as CSV unless `format_name` or the extension names another format.

    Raises:
        PromptFileError: the file cannot be opened, its format is unknown, or it is no regular file
            and has more than `MAX_STREAM` bytes.
    """
    if argument == STDIN:
        with _spooled("stdin", stdin) as binary:
            yield _stream("stdin", format_name or "csv", binary, encoding)
        return
    path = Path(argument)
    try:
        opened = path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name.
        reason = getattr(error, "strerror", None) or str(error)
        mend = "name a file that can be read, or - for standard input"
        raise PromptFileError(plain(argument), [Problem(None, None, reason, mend)]) from error
    with opened:
        if stat.S_ISREG(path.stat().st_mode) and not str(path).startswith(_DESCRIPTORS):
            yield _source(path, format_name or _by_extension(path), opened, encoding)
            return
        name = plain(str(path))
        with _spooled(name, opened) as binary:
            kind = format_name or EXTENSIONS.get(path.suffix.lower(), "csv")
            yield _stream(name, kind, binary, encoding)


def _source(path: Path, format_name: str, binary: BinaryIO, encoding: str | None) -> Source:
    whole = path.absolute()
    short = Path(os.path.normpath(whole))
    # Behind a link to a folder, `..` leads elsewhere.
    if short.exists() and short.samefile(whole):
        whole = short
    stem, folder = path.stem, whole.parent
    return Source(plain(str(path)), plain(str(whole)), stem, folder, format_name, binary, encoding)


def _stream(name: str, format_name: str, spool: BinaryIO, encoding: str | None) -> Source:
    stem = f"stdin-{_digest(spool)[:8]}"
    return Source(name, STREAM, stem, Path.cwd(), format_name, spool, encoding)


def _by_extension(path: Path) -> str:
    found = EXTENSIONS.get(path.suffix.lower())
    if found is None and path.suffix.lower() in WORKBOOKS:
        message = f"{path.suffix} is a workbook of a spreadsheet program"
        problem = Problem(None, None, message, "save the sheet as CSV (UTF-8) and submit that file")
        raise PromptFileError(plain(str(path)), [problem])
    if found is None:
        message = f"the format of {path.suffix or 'a file without extension'} is not known"
        mend = f"name it: --format {'|'.join(PROMPT_FORMATS)}"
        raise PromptFileError(plain(str(path)), [Problem(None, None, message, mend)])
    return found


@contextmanager
def _spooled(name: str, stream: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile(prefix="hymo-") as spool:
        while block := stream.read(2**20):
            spool.write(block)
            if spool.tell() > MAX_STREAM:
                message = f"standard input and pipes are read up to {MAX_STREAM // 2**20} MiB"
                mend = "save it as a file, and submit that or parts of it"
                raise PromptFileError(name, [Problem(None, None, message, mend)])
        spool.seek(0)
        yield spool


def _digest(binary: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := binary.read(2**20):
        digest.update(block)
    return digest.hexdigest()


def numbered_lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """(line number from 1, line without its newline).

    Raises:
        UnreadableError: a line has more than `MAX_LINE` characters.
    """
    number = 0
    while line := text.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UnreadableError(too_long(number))
        yield number, line.removesuffix("\n")


def too_long(line: int) -> Problem:
    """The problem of a row that is too long."""
    message = f"the row is longer than {MAX_LINE // 2**20} Mi characters"
    return Problem(line, None, message, "is a closing quote or a newline missing?")
