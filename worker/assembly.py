"""Assembles the work loop of a worker from its parts, once its models are loaded."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from jobs.artifacts.folder import look
from jobs.domain.backoff import exponential
from jobs.settings import Settings
from worker.admission import Admission
from worker.device.memory_meter import memory_meter, shortage
from worker.encoding.runner import EncodingRunner
from worker.encoding.scheduler import EncodingScheduler
from worker.engine.pool import ModelPool
from worker.engine.texts import PromptFeatures
from worker.errors import EngineLoadError
from worker.execution.engines import Engines
from worker.execution.failures import first_line
from worker.execution.finishing import MotionFinisher
from worker.execution.folders import BatchFolders
from worker.execution.health import WorkerHealth
from worker.execution.lease_keeper import LeaseKeeper
from worker.execution.pack_finisher import PackFinisher
from worker.execution.pack_size import CPU_PACK, CUDA_FRAMES, CUDA_PACK, PackSize
from worker.execution.pauses import Pauses
from worker.execution.probes import Probes
from worker.execution.progress_stamp import ProgressStamp
from worker.execution.settlement import Settlement
from worker.execution.trial import run_trial
from worker.execution.unsaved import UnsavedMotions
from worker.execution.worker_queue import WorkerQueue
from worker.loop import WorkLoop
from worker.planning.plan import WorkerPlan

#: Threads that write files beside a GPU; on a CPU they would take its cores from the sampling.
CUDA_WRITERS = 4


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """The parts of one worker that a work loop is made of.

    Attributes:
        planned: the worker's device, models, budget and queues.
        torch_device: the device's name in torch.
        settings: the settings of this process.
        pool: the loaded engines.
        texts: model → its encoded texts, for models with a separate encoder.
        unable: (model, mode) → why its engine did not run at the start.
        queue: this worker's view of the queue.
        keeper: renews the leases.
        stamp: records progress.
        pauses: what this worker does not take for now.
        draining: set when no further pack may be claimed.
    """

    planned: WorkerPlan
    torch_device: str
    settings: Settings
    pool: ModelPool
    texts: Mapping[str, PromptFeatures]
    unable: Mapping[tuple[str, str], Exception]
    queue: WorkerQueue
    keeper: LeaseKeeper
    stamp: ProgressStamp
    pauses: Pauses
    draining: threading.Event

    def folders(self) -> BatchFolders:
        """What this worker knows of the batches' folders."""
        return BatchFolders(
            queue=self.queue,
            pauses=self.pauses,
            host=socket.gethostname(),
            look=partial(look, roots=self.settings.output_roots),
        )

    def unsaved(self, folders: BatchFolders) -> UnsavedMotions:
        """The motions that cannot be saved for now."""
        return UnsavedMotions(
            queue=self.queue,
            keeper=self.keeper,
            pauses=self.pauses,
            folders=folders,
            host=socket.gethostname(),
        )

    def loop(self, folders: BatchFolders, unsaved: UnsavedMotions) -> WorkLoop:
        """The work loop. Engines that did not run at the start are paused."""
        backoff = exponential(self.settings.backoff)
        probes = Probes(host=socket.gethostname(), pauses=self.pauses, backoff=backoff)
        health = WorkerHealth(
            probes=probes,
            probe=partial(run_trial, self.pool, home=self.settings.home),
            alone=self.queue.alone,
            backoff=backoff,
        )
        scheduler = self._scheduler(probes, health)
        engines = Engines(
            pool=self.pool, stamp=self.stamp, probes=probes, try_texts=scheduler.try_store
        )
        for (model, mode), error in self.unable.items():
            engines.pause(model, mode, str(EngineLoadError(model, mode, first_line(error))))
        settlement = Settlement(
            queue=self.queue,
            keeper=self.keeper,
            engines=engines,
            probes=probes,
            health=health,
            shortage=self._shortage(),
            unsaved=unsaved,
        )
        on_cpu = self.planned.device.kind == "cpu"
        size = PackSize(
            most=self.settings.pack or (CPU_PACK if on_cpu else CUDA_PACK),
            frames=None if on_cpu or self.settings.pack else CUDA_FRAMES,
        )
        admission = Admission(
            queue=self.queue,
            pool=self.pool,
            keeper=self.keeper,
            scheduler=scheduler,
            pauses=self.pauses,
            engines=engines,
            settlement=settlement,
            folders=folders,
            roots=self.settings.output_roots,
            draining=self.draining,
            size=size,
        )
        return WorkLoop(
            queue=self.queue,
            pool=self.pool,
            keeper=self.keeper,
            stamp=self.stamp,
            scheduler=scheduler,
            pauses=self.pauses,
            probes=probes,
            engines=engines,
            settlement=settlement,
            finisher=PackFinisher(
                finisher=MotionFinisher(
                    on_phase=self.stamp.touch, writers=1 if on_cpu else CUDA_WRITERS
                ),
                settlement=settlement,
                keeper=self.keeper,
            ),
            admission=admission,
            size=size,
            longest=self.settings.claim,
            draining=self.draining,
        )

    def _shortage(self) -> Callable[[], str | None]:
        return partial(shortage, self.torch_device, self.planned.budget)

    def _scheduler(self, probes: Probes, health: WorkerHealth) -> EncodingScheduler:
        runners = [
            EncodingRunner(
                model=model,
                texts=texts,
                demand=self.planned.serving.demands[model],
                queue=self.queue,
                pool=self.pool,
                keeper=self.keeper,
                stamp=self.stamp,
                probes=probes,
                health=health,
                meter=memory_meter(self.torch_device),
            )
            for model, texts in self.texts.items()
        ]
        return EncodingScheduler(queue=self.queue, runners=runners, stopping=self.draining.is_set)
