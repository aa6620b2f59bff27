"""Submit a prompt file: check it as a whole, then commit and publish its jobs chunk by chunk.

Jobs are committed before they are published, and a job is identified by its (id, seed) in the
batch. If a submit is killed and repeated, no job is created twice, and the reconciler publishes
jobs that were committed but not published.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.artifacts.mark import lay
from jobs.artifacts.reuse import ReusedFiles, lost, reusable
from jobs.delivery.publisher import Publishing
from jobs.delivery.reconciler import deliver
from jobs.domain.batches import Batch, NewJob
from jobs.domain.catalog import Catalog
from jobs.domain.routing import Offer
from jobs.domain.spec import JobSpec
from jobs.domain.states import State
from jobs.errors import UnreachableError
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.invalid import invalid_path, invalid_rows
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.row import Row
from jobs.promptfile.source import Source
from jobs.promptfile.survey import Survey, Through, read_rows, survey
from jobs.submission.result import SubmitCount, SubmitResult
from jobs.submission.router import Routed, Router, SubmitPlan, planned
from jobs.submission.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobs.rewriting.report import RewriteReport
    from jobs.rewriting.rewriting import Rewriting
    from jobs.settings import Settings
    from jobs.store.existing import Key, Known
    from jobs.store.store import Store

#: Jobs committed and published at a time.
CHUNK = 1000
#: Called with the stage (`checking` or `rewriting`, counted in rows, or `submitting`, in jobs),
#: the number done, and the total (0: not yet known).
Progress = Callable[[str, int, int], None]


class Submitter:
    """Creates jobs from prompt files.

    Args:
        store: the database.
        publisher: publishes the jobs' messages.
        settings: output folder, number of attempts, and `alive`.
        offers: offers of workers that are about to start; they count as live.
        rewriting: rewrites the prompts; None: prompts are used unchanged.
    """

    def __init__(
        self,
        *,
        store: Store,
        publisher: Publishing,
        settings: Settings,
        offers: Sequence[Offer] = (),
        rewriting: Rewriting | None = None,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._coming = tuple(offers)
        self._rewriting = rewriting

    def plan(
        self,
        source: Source,
        defaults: Defaults,
        *,
        batch: str | None = None,
        skip_invalid: bool = False,
        progress: Progress | None = None,
    ) -> SubmitPlan:
        """Plan the submit of a file without committing or writing anything.

        Raises:
            PromptFileError: the file has problems.
            SettingsError: the batch name is invalid.
            WeightsMissingError: a model's weights are not installed anywhere.
        """
        name = Target.find(self._store, source, batch).name
        found = self._checked(
            source, defaults, skip_invalid=skip_invalid, progress=progress, written=False
        )
        plan = planned(name, found, self._offers(), Catalog.read(self._settings.home))
        return replace(plan, rewrites=self._rewrites())

    def submit(
        self,
        source: Source,
        defaults: Defaults,
        *,
        batch: str | None = None,
        skip_invalid: bool = False,
        cache: bool = True,
        update: bool = False,
        progress: Progress | None = None,
    ) -> SubmitResult:
        """Create the jobs of a file.

        Args:
            batch: name of the batch; default: see `jobs.submission.target`.
            skip_invalid: submit the valid rows and write the invalid ones beside the input.
            cache: let a job succeed at once if an earlier job with the same content succeeded.
            update: replace changed jobs that no worker has claimed yet.

        Raises:
            PromptFileError: the file has problems; nothing is committed.
            SettingsError: the batch name is invalid.
            ConflictError: the batch is another file's (`Target.check`), or only spelt like another
                batch; nothing is committed.
            WeightsMissingError: a model's weights are not installed anywhere; nothing is committed.
            UnreachableError: the database does not answer. An unreachable broker is not an error.
        """
        target = Target.find(self._store, source, batch)
        found = self._checked(source, defaults, skip_invalid=skip_invalid, progress=progress)
        router = Router(self._offers(), Catalog.read(self._settings.home))
        for asked in found.asked:
            router.of(asked)  # raises for missing weights before anything is committed
        tally = SubmitCount(manned=bool(router.offers), update=update)
        rewrites = self._rewrites()
        made = self._store.batches.ensure(
            target.name, source=source.origin, output=str(self._settings.output), token=""
        )
        good = partial(_specs, source, defaults, skip_invalid=skip_invalid, through=self._through)
        with closing(good()) as specs:
            target.check(self._store, made, source, (spec for spec, _ in specs))
        # Where the batch's folder is not on this machine, no files can be copied into it.
        folder = lay(self._store, made, self._settings)
        cache = cache and folder.fault is None
        with closing(good()) as specs:
            while chunk := [router.route(spec, line) for spec, line in islice(specs, CHUNK)]:
                try:
                    self._commit(made, chunk, tally, cache=cache, update=update)
                except UnreachableError as error:
                    raise error.adding(
                        f"{tally.done} of {found.jobs} jobs of batch {made.name} are submitted, "
                        "the same file submitted again adds the rest"
                    ) from error
                if progress is not None:
                    progress("submitting", tally.done, found.jobs)
        result = tally.result(made, found, invalid_path(source) if found.invalid else None)
        folder = replace(folder, laid=folder.laid and bool(made.token))
        return replace(result, rewrites=rewrites, made=target.made, folder=folder)

    def _commit(
        self,
        batch: Batch,
        chunk: Sequence[Routed],
        tally: SubmitCount,
        *,
        cache: bool,
        update: bool,
    ) -> None:
        keys = [(routed.spec.custom_id, routed.spec.seed) for routed in chunk]
        known = self._store.batches.existing(batch.id, keys)
        reused = ReusedFiles(Path(batch.output) / batch.name)
        insert = partial(
            self._store.batches.insert,
            batch,
            attempt_limit=self._settings.max_attempts,
            replace=update,
        )
        kept = {key: job for key, job in known.items() if not (update and job.untried)}
        try:
            new = self._with_cache(chunk, kept, reused) if cache else _uncached(chunk)
            try:
                inserted = insert(new, place=reused.place)
            except OSError:  # A file could not be renamed: insert the chunk without cached jobs.
                new = _uncached(chunk)
                inserted = insert(new)
        finally:
            reused.clear()
        tally.add(chunk, new, inserted)
        self._deliver((*inserted.new, *inserted.updated), tally)
        self._queue_again(self._lost(batch, chunk, known), tally)

    def _lost(
        self, batch: Batch, chunk: Sequence[Routed], known: Mapping[Key, Known]
    ) -> list[tuple[int, str]]:
        """(job id, queue) of the chunk's jobs that had succeeded and whose files are missing."""
        if not self._sees(batch):
            return []
        found = [
            (known.get((routed.spec.custom_id, routed.spec.seed)), routed.spec) for routed in chunk
        ]
        return [
            (job.id, job.queue)
            for job, spec in found
            if job is not None
            and job.state == State.SUCCEEDED
            and lost(job.artifacts)
            and (not job.differs(spec) or job.differs_in_priority(spec))
        ]

    def _sees(self, batch: Batch) -> bool:
        # On a machine that does not mount the workers' disk, missing files are not lost. With
        # SQLite everything is on this machine.
        local = self._settings.database_url.startswith("sqlite")
        return local or Path(batch.output).is_dir()

    def _queue_again(self, gone: Sequence[tuple[int, str]], tally: SubmitCount) -> None:
        if not gone:
            return
        tally.requeued += self._store.control.retry(
            [job_id for job_id, _ in gone],
            states={State.SUCCEEDED},
            max_attempts=self._settings.max_attempts,
            force=True,
        )
        self._deliver(gone, tally)

    @property
    def _through(self) -> Through | None:
        return None if self._rewriting is None else self._rewriting.rows

    def _rewrites(self) -> RewriteReport | None:
        return None if self._rewriting is None else self._rewriting.report()

    def _checked(
        self,
        source: Source,
        defaults: Defaults,
        *,
        skip_invalid: bool,
        progress: Progress | None,
        written: bool = True,
    ) -> Survey:
        total = 0
        if self._rewriting is not None:
            # Check the file before the rewriter is asked about its prompts.
            found = survey(source, defaults, progress=_checking(progress))
            _require_rows(source, found, skip_invalid=skip_invalid)
            total = found.rows + found.invalid
        # Write invalid rows before anything is committed, so that a full disk does not lose them.
        with invalid_rows(source) if skip_invalid and written else nullcontext() as rows:
            found = survey(
                source,
                defaults,
                through=self._through,
                rejected=rows.write if rows is not None else None,
                progress=_checking(progress, total),
            )
        _require_rows(source, found, skip_invalid=skip_invalid)
        return found

    def _offers(self) -> Sequence[Offer]:
        return (*self._store.workers.offers(alive=self._settings.alive), *self._coming)

    def _with_cache(
        self, chunk: Sequence[Routed], known: Mapping[Key, Known], reused: ReusedFiles
    ) -> list[NewJob]:
        """The chunk's jobs; those whose motion already exists succeed with copies of its files.

        Jobs that the batch already has are skipped, so that a resubmit reads no motion files.
        """
        fresh = [each for each in chunk if (each.spec.custom_id, each.spec.seed) not in known]
        content = self._store.batches.content([routed.content for routed in fresh])
        done: dict[Key, NewJob] = {}
        for routed in fresh:
            job_id, artifacts = content.get(routed.content, (None, ()))
            files = None if job_id is None else reusable(artifacts, routed.spec.formats)
            own = None if files is None else reused.take(routed.spec, files)
            if own is not None:
                done[routed.spec.custom_id, routed.spec.seed] = routed.job(job_id, own)
        return [
            done.get((routed.spec.custom_id, routed.spec.seed)) or routed.job() for routed in chunk
        ]

    def _deliver(self, messages: Sequence[tuple[int, str]], tally: SubmitCount) -> None:
        # After one failure, all further messages are left to the reconciler.
        if not messages or tally.undelivered is not None:
            return
        try:
            deliver(self._store, self._publisher, messages)
        except UnreachableError as error:
            if error.service != "broker":
                raise
            tally.undelivered = error


def _uncached(chunk: Sequence[Routed]) -> list[NewJob]:
    return [routed.job() for routed in chunk]


def _require_rows(source: Source, found: Survey, *, skip_invalid: bool) -> None:
    if found.invalid and not (skip_invalid and found.rows):
        raise PromptFileError(source.name, found.problems, found.total)


def _specs(
    source: Source, defaults: Defaults, *, skip_invalid: bool, through: Through | None
) -> Generator[tuple[JobSpec, int], None, None]:
    """The jobs of the valid rows and the rows' lines, read in the last pass."""
    with closing(read_rows(source, defaults, through=through)) as rows:
        for row in rows:
            if isinstance(row, Row):
                yield from ((spec, row.line) for spec in row.specs())
            elif not skip_invalid:
                # The row was valid in an earlier pass, so the file has changed.
                raise PromptFileError(source.name, row.problems)


def _checking(progress: Progress | None, rewritten: int = 0) -> Callable[[int], None] | None:
    if progress is None:
        return None
    stage = "rewriting" if rewritten else "checking"
    return lambda rows: progress(stage, rows, rewritten)
