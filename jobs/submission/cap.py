"""The cap: how many new jobs a submit may make, and from which number on it asks first."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from jobs.errors import NotFoundError, SettingsError, UnconfirmedError

if TYPE_CHECKING:
    from jobs.promptfile.survey import Survey
    from jobs.store.store import Store
    from jobs.submission.check import FileCheck

#: Number of new jobs beyond which a submit asks for confirmation.
ASKED = 100_000
#: Rows whose existing jobs are counted at a time.
_ROWS = 1000

#: Asks whether to submit this number of new jobs.
Confirm = Callable[[int], bool]


@dataclass(frozen=True, kw_only=True)
class Cap:
    """Approves the new jobs of a file before anything is written.

    Attributes:
        batch: name of the batch that the jobs go to.
        most: maximum number of new jobs (HYMO_MAX_JOBS); 0: no limit.
        confirm: called for more than `ASKED` of them; None: they need no confirmation.
    """

    store: Store
    batch: str
    check: FileCheck
    most: int
    confirm: Confirm | None

    def approve(self, found: Survey) -> None:
        """Refuse a surveyed file that makes too many new jobs.

        Raises:
            SettingsError: they are more than the setting allows.
            UnconfirmedError: they are many, and were not confirmed.
        """
        limits = [self.most] if self.most else []
        limits += [ASKED] if self.confirm is not None else []
        if not limits or found.jobs <= min(limits):
            return
        new = new_jobs(self.store, self.batch, self.check, found)
        if 0 < self.most < new:
            raise SettingsError(
                "HYMO_MAX_JOBS", str(self.most),
                f"batch {self.batch} would get {new} new jobs, nothing was submitted: submit fewer "
                "rows or seeds, or raise it",
            )  # fmt: skip
        if new > ASKED and self.confirm is not None and not self.confirm(new):
            raise UnconfirmedError(
                f"batch {self.batch} would get {new} new jobs, nothing was submitted",
                "submit fewer rows or seeds, or confirm with --yes",
            )


def new_jobs(store: Store, batch: str, check: FileCheck, found: Survey) -> int:
    """The number of jobs of a surveyed file that its batch does not have; no job is made for it."""
    try:
        batch_id = store.batches.get(batch).id
    except NotFoundError:
        return found.jobs
    existing = 0
    with closing(check.spans()) as spans:
        while some := list(islice(spans, _ROWS)):
            existing += store.batches.count_existing(batch_id, some)
    return found.jobs - existing
