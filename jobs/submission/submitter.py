"""Submit a prompt file: check it as a whole, then commit and publish its jobs chunk by chunk.

Jobs are committed before they are published, and a job is identified by its (id, seed) in the
batch. If a submit is killed and repeated, no job is created twice, and the reconciler publishes
jobs that were committed but not published.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from jobs.artifacts.mark import lay
from jobs.delivery.publisher import Publishing
from jobs.domain.catalog import Catalog
from jobs.domain.routing import Offer
from jobs.errors import UnreachableError
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.invalid import invalid_path
from jobs.promptfile.source import Source
from jobs.store.base import CHUNK
from jobs.submission.cap import Cap, Confirm, new_jobs
from jobs.submission.check import FileCheck, Progress
from jobs.submission.chunks import ChunkWriter
from jobs.submission.result import SubmitCount, SubmitResult
from jobs.submission.router import Router, SubmitPlan, planned
from jobs.submission.target import Target

if TYPE_CHECKING:
    from jobs.rewriting.report import RewriteReport
    from jobs.rewriting.rewriting import Rewriting
    from jobs.settings import Settings
    from jobs.store.store import Store


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
        check = self._check(source, defaults, skip_invalid=skip_invalid, progress=progress)
        found = check.survey(written=False)
        plan = planned(name, found, self._offers(), Catalog.read(self._settings.home))
        new = new_jobs(self._store, name, check, found)
        return replace(plan, new=new, rewrites=self._rewrites())

    def submit(
        self,
        source: Source,
        defaults: Defaults,
        *,
        batch: str | None = None,
        skip_invalid: bool = False,
        cache: bool = True,
        update: bool = False,
        confirm: Confirm | None = None,
        progress: Progress | None = None,
    ) -> SubmitResult:
        """Create the jobs of a file.

        Args:
            batch: name of the batch; default: see `jobs.submission.target`.
            skip_invalid: submit the valid rows and write the invalid ones beside the input.
            cache: let a job succeed at once if an earlier job with the same content succeeded.
            update: replace changed jobs that no worker has claimed yet.
            confirm: asks whether to submit more than `jobs.submission.cap.ASKED` new jobs; None:
                they need no confirmation.

        Raises:
            PromptFileError: the file has problems; nothing is committed.
            SettingsError: the batch name is invalid, or the new jobs are more than the settings
                allow; nothing is committed.
            UnconfirmedError: the new jobs were not confirmed; nothing is committed.
            ConflictError: the batch is another file's (`Target.check`), or only spelt like another
                batch; nothing is committed.
            WeightsMissingError: a model's weights are not installed anywhere; nothing is committed.
            UnreachableError: the database does not answer. An unreachable broker is not an error.
        """
        target = Target.find(self._store, source, batch)
        check = self._check(source, defaults, skip_invalid=skip_invalid, progress=progress)
        cap = Cap(
            store=self._store, batch=target.name, check=check, most=self._settings.max_jobs,
            confirm=confirm,
        )  # fmt: skip
        found = check.survey(approve=cap.approve)
        router = Router(self._offers(), Catalog.read(self._settings.home))
        for asked in found.asked:
            router.of(asked)  # raises for missing weights before anything is committed
        tally = SubmitCount(manned=bool(router.offers), update=update)
        rewrites = self._rewrites()
        made = self._store.batches.ensure(
            target.name, source=source.origin, output=str(self._settings.output), token=""
        )
        with closing(check.specs()) as specs:
            target.check(self._store, made, source, (spec for spec, _ in specs))
        # Where the batch's folder is not on this machine, no files can be copied into it.
        folder = lay(self._store, made, self._settings)
        writer = ChunkWriter(
            store=self._store, publisher=self._publisher, settings=self._settings, batch=made,
            tally=tally, cache=cache and folder.fault is None, update=update,
        )  # fmt: skip
        self._write(writer, check, router, found.jobs)
        result = tally.result(made, found, invalid_path(source) if found.invalid else None)
        folder = replace(folder, laid=folder.laid and bool(made.token))
        return replace(result, rewrites=rewrites, made=target.made, folder=folder)

    def _write(self, writer: ChunkWriter, check: FileCheck, router: Router, total: int) -> None:
        tally = writer.tally
        with closing(check.specs()) as specs:
            while chunk := [router.route(spec, line) for spec, line in islice(specs, CHUNK)]:
                try:
                    writer.write(chunk)
                except UnreachableError as error:
                    raise error.adding(
                        f"{tally.done} of {total} jobs of batch {writer.batch.name} are submitted, "
                        "the same file submitted again adds the rest"
                    ) from error
                if check.progress is not None:
                    check.progress("submitting", tally.done, total)

    def _check(
        self,
        source: Source,
        defaults: Defaults,
        *,
        skip_invalid: bool,
        progress: Progress | None,
    ) -> FileCheck:
        return FileCheck(
            source=source, defaults=defaults, rewriting=self._rewriting,
            skip_invalid=skip_invalid, progress=progress,
        )  # fmt: skip

    def _rewrites(self) -> RewriteReport | None:
        return None if self._rewriting is None else self._rewriting.report()

    def _offers(self) -> Sequence[Offer]:
        return (*self._store.workers.offers(alive=self._settings.alive), *self._coming)
