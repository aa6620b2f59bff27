"""Submitting a prompt file: checked as a whole, then committed and published chunk by chunk.

The rows are committed before they are published, and the identity of a job is its (id, seed) in
the batch: a submit that is killed half-way and repeated ends with exactly one job a row, and what
was committed but not published is published by the reconciler.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from jobs.cache import reusable
from jobs.errors import SettingsError, UnreachableError
from jobs.plan import Plan, Routed, Router, planned
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.identity import RULE, fault, safe_name
from jobs.promptfile.invalid import invalid_path, invalid_rows
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.row import Row
from jobs.promptfile.source import Source
from jobs.promptfile.survey import Survey, read_rows, survey
from jobs.records import Batch, Inserted, NewJob
from jobs.routing import Offer
from jobs.spec import JobSpec
from jobs.tally import SubmitResult, Tally

if TYPE_CHECKING:
    from jobs.settings import Settings
    from jobs.store.store import Store

#: Jobs committed and published at a time.
CHUNK = 1000
#: Gets the stage (`checking`, counted in rows, or `submitting`, in jobs), how many are done, and
#: how many there are (0: not known yet).
Progress = Callable[[str, int, int], None]


class Publishing(Protocol):
    """Puts (job id, queue) messages in their queues; raises `UnreachableError`."""

    def publish(self, messages: Sequence[tuple[int, str]]) -> object: ...


class Submitter:
    """Makes jobs of prompt files.

    Args:
        store: where they are kept.
        publisher: tells the workers.
        settings: output folder, attempts, and how long a silent worker counts as live.
        offers: workers that are about to start, to be planned for like live ones.
    """

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publishing,
        settings: Settings,
        offers: Sequence[Offer] = (),
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._coming = tuple(offers)

    def plan(
        self,
        source: Source,
        defaults: Defaults,
        *,
        batch: str | None = None,
        skip_invalid: bool = False,
        progress: Progress | None = None,
    ) -> Plan:
        """What `submit` would make of the file; nothing is committed or written.

        Raises:
            PromptFileError: listing the file's problems.
            SettingsError: the batch name is not usable.
        """
        name = batch_name(batch, source)
        found = survey(source, defaults, progress=_checking(progress))
        _require_rows(source, found, skip_invalid=skip_invalid)
        return planned(name, found, self._offers())

    def submit(
        self,
        source: Source,
        defaults: Defaults,
        *,
        batch: str | None = None,
        skip_invalid: bool = False,
        cache: bool = True,
        progress: Progress | None = None,
    ) -> SubmitResult:
        """Make the file's jobs.

        Args:
            batch: its name; default: made of the file's.
            skip_invalid: submit the good rows and write the bad ones beside the input.
            cache: let jobs succeed at once whose content already succeeded.

        Raises:
            PromptFileError: listing the file's problems; nothing is committed.
            SettingsError: the batch name is not usable.
            UnreachableError: the database does not answer. A broker that does not is no error.
        """
        name = batch_name(batch, source)
        found = self._checked(source, defaults, skip_invalid=skip_invalid, progress=progress)
        router = Router(self._offers())
        made = self._store.batches.ensure(
            name, source=source.origin, output=str(self._settings.output)
        )
        tally = Tally()
        with closing(_specs(source, defaults, skip_invalid=skip_invalid)) as specs:
            while chunk := [router.route(spec) for spec in islice(specs, CHUNK)]:
                self._commit(made, chunk, tally, cache=cache)
                if progress is not None:
                    progress("submitting", tally.done, found.jobs)
        return tally.result(made, found, invalid_path(source) if found.invalid else None)

    def _commit(self, batch: Batch, chunk: Sequence[Routed], tally: Tally, *, cache: bool) -> None:
        new = self._with_cache(chunk) if cache else [routed.job() for routed in chunk]
        inserted = self._store.batches.insert(batch, new, attempt_limit=self._settings.max_attempts)
        tally.add(chunk, new, inserted)
        self._deliver(inserted, tally)

    def _checked(
        self, source: Source, defaults: Defaults, *, skip_invalid: bool, progress: Progress | None
    ) -> Survey:
        # Bad rows are written before anything is committed: a full disk must not cost them.
        with invalid_rows(source) if skip_invalid else nullcontext() as rows:
            found = survey(
                source,
                defaults,
                rejected=rows.write if rows is not None else None,
                progress=_checking(progress),
            )
        _require_rows(source, found, skip_invalid=skip_invalid)
        return found

    def _offers(self) -> Sequence[Offer]:
        return (*self._store.workers.offers(alive=self._settings.alive), *self._coming)

    def _with_cache(self, chunk: Sequence[Routed]) -> list[NewJob]:
        known = self._store.batches.content([routed.content for routed in chunk])
        jobs: list[NewJob] = []
        for routed in chunk:
            job_id, artifacts = known.get(routed.content, (None, ()))
            files = None if job_id is None else reusable(artifacts, routed.spec.formats)
            jobs.append(routed.job() if files is None else routed.job(job_id, files))
        return jobs

    def _deliver(self, inserted: Inserted, tally: Tally) -> None:
        # One failure is enough: the rest of the batch is left to the reconciler as well.
        if not inserted.new or tally.undelivered is not None:
            return
        try:
            self._publisher.publish(inserted.new)
        except UnreachableError as error:
            tally.undelivered = error
            return
        self._store.delivery.mark_published([job_id for job_id, _ in inserted.new])


def batch_name(given: str | None, source: Source) -> str:
    """The batch's name: as given, else the file's name without folder and extension, made safe.

    Raises:
        SettingsError: the given name is not usable as a folder.
    """
    if given is None:
        return safe_name(source.stem)
    found = fault(given)
    if found is not None:
        raise SettingsError("--batch", given, f"{found}; {RULE}")
    return given


def _require_rows(source: Source, found: Survey, *, skip_invalid: bool) -> None:
    if found.invalid and not (skip_invalid and found.rows):
        raise PromptFileError(source.name, found.problems, found.total)


def _specs(
    source: Source, defaults: Defaults, *, skip_invalid: bool
) -> Generator[JobSpec, None, None]:
    """The jobs of the good rows, on the second pass."""
    with closing(read_rows(source, defaults)) as rows:
        for row in rows:
            if isinstance(row, Row):
                yield from row.specs()
            elif not skip_invalid:
                # The first pass found it good, so somebody is writing to the file.
                raise PromptFileError(source.name, row.problems)


def _checking(progress: Progress | None) -> Callable[[int], None] | None:
    if progress is None:
        return None
    return lambda rows: progress("checking", rows, 0)
