"""The worker's life, in order: pin, budget, load, warm up, register, consume, drain."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jobs.delivery.broker import kombu_url
from jobs.delivery.publisher import Publisher
from jobs.delivery.reconciler import Reconciler
from jobs.domain.attempts import Claim, Failed
from jobs.domain.catalog import Catalog
from jobs.domain.memory import GIB
from jobs.domain.states import Failure
from jobs.errors import UnreachableError
from jobs.settings import Settings
from jobs.store import schema
from jobs.store.store import Store
from worker.device.budget import reserve
from worker.device.launch import pin
from worker.execution.database_retry import DatabaseRetry
from worker.execution.progress_stamp import ProgressStamp
from worker.locks import FileLock, worker_lock
from worker.options import WorkerOptions
from worker.planning.plan import WorkerPlan, plan
from worker.planning.precision import SAFE

if TYPE_CHECKING:
    from worker.execution.lease_keeper import LeaseKeeper
    from worker.loop import WorkLoop

log = logging.getLogger(__name__)

#: Seconds that reserving, loading and warming up may take: large weights on a slow disk are no
#: hang.
LOADING = 600.0
#: Exit code of a process that hung: whoever supervises it starts it again.
HUNG = 75
#: Seconds between two looks whether a device is free.
HELD = 0.2


def live(options: WorkerOptions, settings: Settings) -> int:
    """Be one worker on one device until drained; the exit code.

    Raises:
        DeviceError, BudgetError, RevisionError, UnreachableError, SchemaError, OutageError
    """
    planned = plan(options, Catalog.read(settings.home))
    lock = worker_lock(settings.home, device=planned.device.name, name=planned.offer.name)
    if not _wait_for(lock, planned.device.name, parent=options.parent):
        return 0
    threads = pin(
        planned.device, planned.profile, threads=options.threads, cache=settings.home / "cache"
    )
    with Store.open(settings.database_url) as store:
        schema.require_current(store.engine)
        worker = Worker(planned, settings, store=store, threads=threads, options=options)
        worker.load()
        worker.register()
        try:
            return worker.consume()
        finally:
            worker.leave()


def _wait_for(lock: FileLock, device: str, *, parent: int | None) -> bool:
    """Wait until the worker before us is gone: two would share the device's memory.

    It may be draining, after whoever started it was killed. SIGTERM ends the waiting.

    Returns:
        Whether the lock is ours; False when the parent is gone meanwhile. The kernel frees it
        with the process.
    """
    told = None
    while (owner := lock.take()) is not None:
        if parent is not None and os.getppid() != parent:
            return False
        if owner != told:
            log.warning("device %s is still held by process %s: waiting for its end", device, owner)
            told = owner
        time.sleep(HELD)
    return True


class Worker:
    """The pieces of one worker process. Made after pinning: from `load` on, torch is imported.

    Args:
        planned: device, budget, queues.
        settings: of the process.
        store: the database.
        threads: CPU threads for torch.
        options: as asked for.
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
        self._over = threading.Event()
        self._stamp = ProgressStamp(time.monotonic)
        self._publisher = Publisher(settings)
        self._reconciler = Reconciler(store=store, publisher=self._publisher, settings=settings)
        self._worker_id = 0
        self._fault: BaseException | None = None

    def load(self) -> None:
        """Reserve memory, load the models and run each once, so that the first job is no slower
        than the others and a device that cannot compute fails here."""
        from worker.engine.loaders import build_pool
        from worker.engine.warmup import warm_up

        device = self._plan.device
        # Nobody else watches yet: a driver that hangs here must not hold the process for ever.
        watch = threading.Timer(max(LOADING, self._settings.deadline), os._exit, (HUNG,))
        watch.daemon = True
        watch.start()
        reserve(device, self._plan.budget)
        if any(serving.model != "null" for serving in self._plan.serving.servings):
            import torch

            torch.set_num_threads(self._threads)
        self._workshop = build_pool(
            self._plan.serving,
            budget=self._plan.budget,
            device=self._torch_name,
            quantise=self._options.quantise,
            embeddings=self._settings.texts,
            capacity=round(self._settings.embeddings_gib * GIB),
            null_step=self._settings.null_step,
            on_fall=self._fell,
        )
        warm_up(self._workshop.pool)
        watch.cancel()

    def register(self) -> None:
        """Tell the database who we are. From here on SIGTERM drains: there is a row to sign off."""
        signal.signal(signal.SIGTERM, lambda _number, _frame: self._draining.set())
        self._worker_id = self._store.workers.register(self._plan.card())
        log.info(
            "worker %s (%s, %.3g GiB, %s) is ready",
            self._plan.offer.name,
            self._plan.device.card,
            self._plan.offer.memory_bytes / 2**30,
            "+".join(self._plan.offer.modes),
        )

    def consume(self) -> int:
        """Take messages until drained. Raises what made the worker give up."""
        from worker.consumer import Consumer
        from worker.execution.lease_keeper import LeaseKeeper

        keeper = LeaseKeeper(
            store=self._store,
            worker_id=self._worker_id,
            settings=self._settings,
            stamp=self._stamp,
            expire=self._die,
            heartbeat=self._heartbeat,
        )
        shift = self._shift(keeper)
        keeper.start()
        self._thread("reconciler", self._settings.reconcile, self._reconcile)
        looking = self._thread("look-around", self._settings.reconcile, lambda: self._look(shift))
        if self._parent is not None:
            self._thread("parent", 1.0, self._look_after_parent)
        try:
            code = Consumer(
                url=kombu_url(self._settings),
                name=self._plan.offer.name,
                host=socket.gethostname(),
                queues=self._plan.queues,
                work=shift.work,
                draining=self._draining,
            ).consume()
        finally:
            self._over.set()
            looking.join()  # it may have a pack in hand
            keeper.stop()
        if self._fault is not None:
            raise self._fault
        return code

    def _shift(self, keeper: LeaseKeeper) -> WorkLoop:
        from worker.device.memory_meter import memory_meter
        from worker.encoding.scheduler import EncodingScheduler
        from worker.loop import CPU_PACK, CUDA_PACK, WorkLoop

        demands = self._plan.serving.demands
        outage = DatabaseRetry(longest=self._settings.outage)
        scribe = EncodingScheduler(
            store=self._store,
            worker_id=self._worker_id,
            offer=self._plan.offer,
            texts={name: (each, demands[name]) for name, each in self._workshop.texts.items()},
            pool=self._workshop.pool,
            keeper=keeper,
            stamp=self._stamp,
            settings=self._settings,
            outage=outage,
            stopping=self._draining.is_set,
            meter=memory_meter(self._torch_name) if demands else None,
        )
        return WorkLoop(
            store=self._store,
            worker_id=self._worker_id,
            offer=self._plan.offer,
            pool=self._workshop.pool,
            keeper=keeper,
            stamp=self._stamp,
            settings=self._settings,
            outage=outage,
            draining=self._draining,
            device_pack=CPU_PACK if self._plan.device.kind == "cpu" else CUDA_PACK,
            scribe=scribe if demands else None,
        )

    @property
    def _torch_name(self) -> str:
        """The device as torch sees it: this process has no other."""
        return "cpu" if self._plan.device.kind == "cpu" else "cuda:0"

    def _fell(self, model: str, dtype: str) -> None:
        """A number type failed too often: people should see it where they look for workers."""
        story = f"{model} gave up {dtype}"
        try:
            self._store.workers.note(self._worker_id, dtype=SAFE, tags={"numerics": story})
        except UnreachableError as error:
            log.warning("not recorded: %s", error)

    def leave(self) -> None:
        """Sign off and write the manifests of what was done."""
        try:
            self._store.workers.stop(self._worker_id)
            self._reconciler.write_manifests()
        except UnreachableError as error:
            log.warning("not signed off: %s", error)
        self._publisher.close()
        log.info("worker %s has ended", self._plan.offer.name)

    def _heartbeat(self) -> None:
        state = "draining" if self._draining.is_set() else "live"
        self._store.workers.heartbeat(self._worker_id, state=state)

    def _reconcile(self) -> None:
        try:
            found = self._reconciler.round()
        except UnreachableError as error:
            log.warning("not reconciled: %s", error)
            return
        if found.broker is not None:
            log.warning("%s", found.broker)

    def _look(self, shift: WorkLoop) -> None:
        try:
            shift.poll()
        except BaseException as error:  # noqa: BLE001  # raised again by `consume`
            # As in the consumer: not a job's fault, the worker itself cannot go on.
            self._fault = error
            self._drain()

    def _drain(self) -> None:
        # Celery's own warm shutdown, as from outside: there is no second way to drain.
        self._draining.set()
        os.kill(os.getpid(), signal.SIGTERM)

    def _look_after_parent(self) -> None:
        if os.getppid() != self._parent and not self._draining.is_set():
            log.warning("the process that started this worker is gone: draining")
            self._drain()

    def _die(self, claims: Sequence[Claim]) -> None:
        """Nothing moved for the whole deadline: say so and end the process, which cannot be
        saved from inside (a hung driver call does not return)."""
        text = f"no progress for {self._settings.deadline:g} s: the worker process was ended"
        log.error("%s", text)
        failed = [Failed(claim=claim, failure=Failure.TIMEOUT, error=text) for claim in claims]
        try:
            self._store.completion.fail(failed, backoff=lambda _: self._settings.backoff)
            self._store.workers.stop(self._worker_id)
        except UnreachableError as error:
            log.warning("not recorded, the leases will run out instead: %s", error)
        os._exit(HUNG)

    def _thread(self, name: str, every: float, call: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            while not self._over.wait(every):
                call()

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread
