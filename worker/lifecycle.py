"""The life of a worker process: plan, pin, load, warm up, register, consume, drain."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from jobs.delivery.broker import kombu_url, require_trust
from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler
from jobs.delivery.stale import StaleMessages
from jobs.domain.attempts import Claim, Failed
from jobs.domain.catalog import Catalog
from jobs.domain.outage import Outage
from jobs.domain.states import Failure
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store import schema
from jobs.store.store import Store
from worker.assembly import Assembly
from worker.device.budget import reserve
from worker.device.launch import garbage_collection_paused, pin
from worker.errors import DeviceFaultError
from worker.execution.database_retry import DatabaseRetry
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.pauses import Pauses
from worker.execution.periodic import PeriodicThreads
from worker.execution.progress_stamp import LOADING, ProgressStamp
from worker.execution.worker_queue import WorkerQueue
from worker.locks import FileLock, worker_lock
from worker.loop import WorkLoop
from worker.options import WorkerOptions
from worker.planning.plan import WorkerPlan, plan
from worker.planning.precision import SAFE
from worker.rotation import LogRotation

log = logging.getLogger(__name__)

#: Exit code of a process that hung: its supervisor restarts it.
HUNG = 75
#: Seconds between two attempts to lock a device.
LOCK_POLL = 0.2
#: Seconds between two looks whether a round of the reconciler is due.
TICK = 1.0
#: The end of the error of a worker that was drained while the database was away.
MEND = "this worker was told to end; its jobs go back to the queue once the database is up again"
#: Seconds between two looks for new batches, and for files that can be saved again.
LOOK = 1.0
#: Seconds between two looks at the sizes of the logs; where a supervisor runs, it looks as well.
LOGS = 5.0
#: Seconds that a drained worker waits for a file system that does not answer.
PATIENCE = 10.0


def run_worker(options: WorkerOptions, settings: Settings) -> int:
    """Run one worker on one device until it has drained, and return the exit code.

    Raises:
        DeviceChoiceError, BudgetError, RevisionError, UnreachableError, SchemaError, OutageError
    """
    planned = plan(options, Catalog.read(settings.home))
    require_trust(settings)
    lock = worker_lock(settings.home, device=planned.device.name, name=planned.offer.name)
    if not _wait_for(lock, planned.device.name, parent=options.parent):
        return 0
    threads = pin(
        planned.device, planned.profile, threads=options.threads, cache=settings.home / "cache"
    )
    with Store.open(settings.database_url) as store:
        schema.require_current(store.engine)
        worker = Worker(planned, settings, store=store, threads=threads, options=options)
        with garbage_collection_paused():
            worker.load()
        worker.register()
        try:
            return worker.consume()
        except DeviceFaultError as fault:
            log.critical("%s: this process ends", fault)
            code = fault.exit_code
        finally:
            worker.leave()
    # A normal exit would free memory on the device, which may abort or hang now.
    os._exit(code)


def _wait_for(lock: FileLock, device: str, *, parent: int | None) -> bool:
    """Wait until an earlier worker of this name and device has exited.

    Two workers would share the device's memory. The earlier one may still be draining after its
    parent was killed. SIGTERM ends the wait.

    Returns:
        Whether this process has the lock; False if its parent exited during the wait. The kernel
        releases the lock when the process ends.
    """
    reported = None
    while (owner := lock.take()) is not None:
        if parent is not None and os.getppid() != parent:
            return False
        if owner != reported:
            log.warning("device %s is still in use by process %s: waiting", device, owner)
            reported = owner
        time.sleep(LOCK_POLL)
    return True


class Worker:
    """One worker process. Create it after `pin`: `load` imports torch.

    Args:
        planned: its device, models, budget and queues.
        settings: the settings of this process.
        store: the database.
        threads: CPU threads for torch.
        options: the worker's flags.
    """

    def __init__(
        self,
        planned: WorkerPlan,
        settings: Settings,
        *,
        store: Store,
        threads: int,
        options: WorkerOptions,
    ) -> None:
        self._plan = planned
        self._settings = settings
        self._store = store
        self._threads = threads
        self._options = options
        self._parent = options.parent
        self._draining = threading.Event()
        self._periodic = PeriodicThreads()
        self._wake = threading.Event()
        self._stamp = ProgressStamp(time.monotonic)
        self._outage = Outage(say=log.warning)
        self._retry = DatabaseRetry(
            outage=self._outage,
            mend=MEND,
            draining=self._draining,
            # A worker that waits for the database does not hang.
            on_wait=self._stamp.touch,
        )
        self._publisher = Publisher(settings)
        self._reconciler = Reconciler(store=store, publisher=self._publisher, settings=settings)
        self._stale = StaleMessages(
            store=store, settings=settings, queues=planned.queues, stopping=self._draining.is_set
        )
        self._worker_id = 0
        self._tags: dict[str, str] = {}
        self._fault: BaseException | None = None
        self._broker_fault: str | None = None

    def load(self) -> None:
        """Reserve memory, load the models and run each once.

        The first job is then as fast as later ones, and a device that cannot compute fails here. If
        some engines do not run and others do, the worker starts without the former.
        """
        from worker.engine.loaders import build_pool
        from worker.engine.warmup import warm_up

        device = self._plan.device
        # The lease keeper does not run yet, so this timer ends the process if a driver hangs.
        watch = threading.Timer(max(LOADING, self._settings.deadline), os._exit, (HUNG,))
        watch.daemon = True
        watch.start()
        reserve(device, self._plan.budget)
        if any(model.name != "null" for model in self._plan.serving.models):
            import torch

            torch.set_num_threads(self._threads)
        self._pool, self._texts = build_pool(
            self._plan.serving,
            self._settings,
            device=self._torch_name,
            quantise=self._options.quantise,
            on_fallback=self._record_fallback,
            on_eager=self._record_eager,
            loading=lambda: self._stamp.allow(LOADING),
        )
        self._unable = warm_up(self._pool)
        watch.cancel()

    def register(self) -> None:
        """Register this worker. From now on SIGTERM drains, so that the registration is ended."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._draining.set())
        if self._parent is not None:
            self._periodic.start("parent", 1.0, self._check_parent)
        self._periodic.start("logs", LOGS, LogRotation(self._settings).rotate)
        card = self._plan.card()
        card = replace(card, tags={**card.tags, **self._tags})
        self._worker_id = self._retry.call(self._store.workers.register, card)
        log.info(
            "worker %s (%s, %.3g GiB, %s) is ready",
            self._plan.offer.name,
            self._plan.device.card,
            self._plan.offer.memory_bytes / 2**30,
            "+".join(self._plan.offer.modes),
        )

    def consume(self) -> int:
        """Take messages until drained. Raises the error that made the worker give up."""
        from worker.consumer import Consumer

        queue = WorkerQueue(
            store=self._store,
            worker_id=self._worker_id,
            offer=self._plan.offer,
            settings=self._settings,
            retry=self._retry,
        )
        self._pauses = Pauses(write=queue.set_pauses)
        keeper = self._keeper = LeaseKeeper(
            queue=queue,
            settings=self._settings,
            stamp=self._stamp,
            expire=self._exit_hung,
            heartbeat=self._heartbeat,
        )
        parts = Assembly(
            planned=self._plan,
            torch_device=self._torch_name,
            settings=self._settings,
            pool=self._pool,
            texts=self._texts,
            unable=self._unable,
            queue=queue,
            keeper=keeper,
            stamp=self._stamp,
            pauses=self._pauses,
            draining=self._draining,
        )
        folders = parts.folders()
        self._unsaved = parts.unsaved(folders)
        loop = parts.loop(folders, self._unsaved)
        keeper.start()
        self._periodic.start("reconciler", min(TICK, self._settings.reconcile), self._reconcile)
        self._periodic.start(
            "poll", self._settings.reconcile, lambda: self._poll(loop), wake=self._wake
        )
        self._periodic.start(
            "folders", LOOK, lambda: self._wake_if(folders.refresh()), patience=PATIENCE
        )
        self._periodic.start(
            "unsaved", LOOK, lambda: self._wake_if(self._unsaved.retry()), patience=PATIENCE
        )
        try:
            code = Consumer(
                url=kombu_url(self._settings),
                name=self._plan.offer.name,
                host=socket.gethostname(),
                queues=self._plan.queues,
                work=lambda job_id: self._stale.note(loop.on_message(job_id)),
                draining=self._draining,
            ).consume()
        finally:
            self._periodic.stop()  # one may be running a pack, another publishing
            loop.close()
            self._unsaved.give_back("the worker ended before its files could be saved")
            keeper.stop()
        if self._fault is not None:
            raise self._fault
        return code

    @property
    def _torch_name(self) -> str:
        """The device's name in torch; it is the only device that this process sees."""
        return "cpu" if self._plan.device.kind == "cpu" else "cuda:0"

    def _record_fallback(self, model: str, dtype: str) -> None:
        """Record the fallback to float32 in the worker's registration, for `hymo workers`."""
        text = f"{model} gave up {dtype}"
        try:
            self._store.workers.note(self._worker_id, dtype=SAFE, tags={"numerics": text})
        except UnreachableError as error:
            log.warning("fallback to %s not recorded: %s", SAFE, error)

    def _record_eager(self, model: str, mode: str, reason: str) -> None:
        """Record in the registration that an engine runs without fused kernels."""
        self._tags[f"{model} {mode}"] = f"eager: {reason}"
        if not self._worker_id:
            return  # it is registered with its tags
        try:
            self._store.workers.note(self._worker_id, tags=self._tags)
        except UnreachableError as error:
            log.warning("%s %s: its path is not recorded: %s", model, mode, error)

    def leave(self) -> None:
        """End the registration and write the manifests of finished jobs."""
        try:
            self._store.workers.stop(self._worker_id)
            self._reconciler.give_up()
            self._reconciler.write_manifests()
        except UnreachableError as error:
            log.warning("registration not ended: %s", error)
        self._publisher.close()
        self._stale.close()
        log.info("worker %s has ended", self._plan.offer.name)

    def _heartbeat(self) -> None:
        state = "draining" if self._draining.is_set() else "live"
        try:
            self._store.workers.heartbeat(self._worker_id, state=state)
        except UnreachableError as error:
            self._outage.away(error)
            raise
        self._outage.back()
        self._pauses.record()

    def _reconcile(self) -> None:
        if not self._reconciler.due:
            return
        try:
            found = self._reconciler.round()
        except UnreachableError as error:
            self._outage.away(error)
            return
        self._outage.back()
        if found.broker is not None and found.broker != self._broker_fault:
            log.warning("%s", found.broker)
        self._broker_fault = found.broker

    def _poll(self, loop: WorkLoop) -> None:
        try:
            loop.poll()
        except BaseException as error:  # noqa: BLE001  # raised again by `consume`
            # Job errors never get here: the worker itself cannot continue.
            self._fault = error
            self._drain()

    def _drain(self) -> None:
        # SIGTERM starts Celery's warm shutdown, so draining always takes the same path. Whoever set
        # the event has sent one already.
        if not self._draining.is_set():
            self._draining.set()
            os.kill(os.getpid(), signal.SIGTERM)

    def _check_parent(self) -> None:
        if os.getppid() != self._parent and not self._draining.is_set():
            log.warning("the parent process has exited: draining")
            self._drain()

    def _exit_hung(self, claims: Sequence[Claim]) -> None:
        """Fail the claims and exit, after no progress for the whole deadline.

        A hung driver call never returns, so the process cannot recover by itself.
        """
        text = f"no progress for {self._settings.deadline:g} s: the worker process was ended"
        log.error("%s", text)
        failed = [Failed(claim=claim, failure=Failure.TIMEOUT, error=text) for claim in claims]
        try:
            self._store.completion.fail(
                failed, backoff=lambda _: self._settings.backoff, alive=self._settings.alive
            )
            waiting = [*self._keeper.unbegun, *self._unsaved.claims]
            self._store.completion.release(waiting, reason=text)
            self._store.workers.stop(self._worker_id)
        except UnreachableError as error:
            log.warning("timeout not recorded, the leases will expire instead: %s", error)
        os._exit(HUNG)

    def _wake_if(self, more: bool) -> None:
        """Look for jobs now if more can be claimed than before."""
        if more:
            self._wake.set()
