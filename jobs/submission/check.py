"""The check of a whole prompt file before any of its jobs is committed."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.domain.spec import JobSpec
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.invalid import invalid_rows
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.row import BadRow, Row
from jobs.promptfile.source import Source
from jobs.promptfile.survey import Survey, Through, read_rows, survey

if TYPE_CHECKING:
    from jobs.rewriting.rewriting import Rewriting

#: Called with the stage (`checking` or `rewriting`, counted in rows, or `submitting`, in jobs),
#: the number done, and the total (0: not yet known).
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class FileCheck:
    """Surveys a prompt file, then reads its jobs again in a later pass.

    Attributes:
        rewriting: rewrites the prompts; None: prompts are used unchanged.
        skip_invalid: leave the invalid rows out, rather than refuse the file.
    """

    source: Source
    defaults: Defaults
    rewriting: Rewriting | None = None
    skip_invalid: bool = False
    progress: Progress | None = None

    def survey(
        self, *, approve: Callable[[Survey], None] | None = None, written: bool = True
    ) -> Survey:
        """Check the whole file.

        Args:
            approve: called with the survey before the rewriter is asked and the invalid rows are
                written; may raise an error.
            written: whether the invalid rows that are left out are written beside the input.

        Raises:
            PromptFileError: the file has problems.
        """
        total = 0
        approve = approve or (lambda _: None)
        if self.rewriting is not None:
            # Check the file before the rewriter is asked about its prompts.
            found = self._pass()
            self._require_rows(found)
            approve(found)
            total = found.rows + found.invalid
        # Write invalid rows before anything is committed, so that a full disk does not lose them.
        kept = invalid_rows(self.source) if self.skip_invalid and written else nullcontext()
        with kept as rows:
            rejected = rows.write if rows is not None else None
            found = self._pass(through=self._through, rejected=rejected, total=total)
            if self.rewriting is None and self._usable(found):
                approve(found)
        self._require_rows(found)
        return found

    def specs(self) -> Generator[tuple[JobSpec, int], None, None]:
        """The jobs of the valid rows and the rows' lines, read in a pass after `survey`."""
        with closing(read_rows(self.source, self.defaults, through=self._through)) as rows:
            for row in rows:
                if isinstance(row, Row):
                    yield from ((spec, row.line) for spec in row.specs())
                elif not self.skip_invalid:
                    # The row was valid in an earlier pass, so the file has changed.
                    raise PromptFileError(self.source.name, row.problems)

    def spans(self) -> Generator[tuple[str, int, int], None, None]:
        """(id, first seed, last seed) of the valid rows, before any rewriting."""
        with closing(read_rows(self.source, self.defaults)) as rows:
            for row in rows:
                if isinstance(row, Row):
                    first = row.spec.seed
                    yield row.spec.custom_id, first, first + row.seeds - 1

    @property
    def _through(self) -> Through | None:
        return None if self.rewriting is None else self.rewriting.rows

    def _pass(
        self,
        *,
        through: Through | None = None,
        rejected: Callable[[BadRow], None] | None = None,
        total: int = 0,
    ) -> Survey:
        return survey(
            self.source, self.defaults, through=through, rejected=rejected,
            progress=self._rows_done(total),
        )  # fmt: skip

    def _usable(self, found: Survey) -> bool:
        return not found.invalid or (self.skip_invalid and found.rows > 0)

    def _require_rows(self, found: Survey) -> None:
        if not self._usable(found):
            raise PromptFileError(self.source.name, found.problems, found.total)

    def _rows_done(self, rewritten: int) -> Callable[[int], None] | None:
        progress = self.progress
        if progress is None:
            return None
        stage = "rewriting" if rewritten else "checking"
        return lambda rows: progress(stage, rows, rewritten)
