"""Reading prompt files from bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from jobs.promptfile.defaults import Defaults
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.row import BadRow, Row
from jobs.promptfile.source import Source, open_source
from jobs.promptfile.survey import read_rows, survey

Opener = Callable[..., AbstractContextManager[Source]]
Reader = Callable[..., list[Row | BadRow]]
Refused = Callable[..., PromptFileError]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """Opens content (text or bytes) as the file `prompts.<format>`."""

    @contextmanager
    def make(content: str | bytes, format_name: str = "csv") -> Iterator[Source]:
        path = tmp_path / f"prompts.{format_name}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_source(str(path), format_name=None, stdin=io.BytesIO()) as source:
            yield source

    return make


@pytest.fixture
def read(opened: Opener) -> Reader:
    """The valid and invalid rows of content."""

    def make(
        content: str | bytes, format_name: str = "csv", defaults: Defaults | None = None
    ) -> list[Row | BadRow]:
        with opened(content, format_name) as source:
            return list(read_rows(source, defaults or Defaults()))

    return make


@pytest.fixture
def refused(opened: Opener) -> Refused:
    """The error of submitting content without --skip-invalid."""

    def make(content: str | bytes, format_name: str = "csv") -> PromptFileError:
        with opened(content, format_name) as source:
            try:
                found = survey(source, Defaults())
            except PromptFileError as error:
                return error
            assert found.problems, f"nothing wrong was found; {found.rows} rows"
            return PromptFileError(source.name, found.problems, found.total)

    return make
