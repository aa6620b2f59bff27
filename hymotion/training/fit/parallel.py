"""Several processes that train one model: none, DDP or FSDP, and which suits which card.

`torchrun --nproc-per-node N -m hymotion.training.train …` starts the processes. The advice is that
of `docs/cards.md`: an A10 has no NVLink and loses by sharing (two were 18 % slower than one), an
A100 takes DDP over NVLink, a V100 takes DDP with float16 and a clipped gradient.
"""

import gc
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from hymotion.training.errors import TrainingError
from hymotion.training.fit.learner import Learner

KINDS = ("auto", "none", "ddp", "fsdp")
WITHOUT_NVLINK = ("A10", "T4", "L4", "A40", "L40", "RTX")
"""Cards whose processes would wait for each other over PCIe."""

WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@dataclass(frozen=True)
class World:
    """The processes of a run.

    Attributes:
        kind: "none", "ddp" or "fsdp".
        rank: of this process.
        size: how many there are.
        device: of this process.
        mesh: what "fsdp" shards over.
    """

    kind: str
    rank: int
    size: int
    device: torch.device
    mesh: DeviceMesh | None = None

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def close(self) -> None:
        """Leave the others.

        Gloo's threads end with the last reference to the process group, and a thread that is still
        busy when the interpreter ends aborts the process. So nothing may refer to the learner and
        its trainer any more when this is called.
        """
        if self.size == 1:
            return
        dist.destroy_process_group()
        if self.mesh is not None:
            # DTensor's caches keep the mesh for ever, and the mesh of recent versions its group.
            vars(self.mesh).get("_pg_registry", {}).clear()
        gc.collect()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def any(self, flag: bool) -> bool:
        """Whether any process says so; all must ask."""
        if self.size == 1:
            return flag
        said = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(said, op=dist.ReduceOp.MAX)
        return bool(said)


def advice(card: str, size: int) -> str:
    """What "auto" means for so many processes on this card.

    Raises:
        TrainingError: the card is faster alone.
    """
    if size == 1:
        return "none"
    names = card.replace("-", " ").split()
    slow = [name for name in WITHOUT_NVLINK if name in names]
    if slow:
        raise TrainingError(
            f"{size} processes on {card}, which has no NVLink and is slower shared than alone",
            mend="Start one process without torchrun, or insist with --parallel ddp",
        )
    return "ddp"


def join(kind: str, device: str) -> World:
    """Join the processes that torchrun started, or be alone.

    Raises:
        TrainingError: the kind does not suit the number of processes or the card.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    if kind in {"ddp", "fsdp"} and "RANK" not in os.environ:
        mend = "Start it with torchrun --nproc-per-node N -m hymotion.training.train"
        raise TrainingError(f"--parallel {kind} with one process", mend=mend)
    if kind == "none" and size > 1:
        problem = f"--parallel none with {size} processes, which would all train the same"
        raise TrainingError(problem, mend="Start one process, or choose ddp or fsdp")
    on_card = device.startswith("cuda")
    where = torch.device("cuda", local) if on_card and size > 1 else torch.device(device)
    card = torch.cuda.get_device_name(where) if on_card else "cpu"
    chosen = advice(card, size) if kind == "auto" else kind
    if chosen != "none":
        if on_card:
            torch.cuda.set_device(where)
        dist.init_process_group("nccl" if on_card else "gloo")
    mesh = init_device_mesh(where.type, (size,)) if chosen == "fsdp" else None
    return World(chosen, rank, size, where, mesh)


def wrapped(learner: Learner, world: World) -> nn.Module:
    """The learner, its gradients shared as the world does."""
    if world.kind == "ddp":
        devices = [world.device] if world.device.type == "cuda" else None
        return DistributedDataParallel(learner, device_ids=devices)
    if world.kind == "fsdp":
        network = learner.flow.motion_transformer
        for block in (*network.double_blocks, *network.single_blocks):
            fully_shard(block, mesh=world.mesh)
        fully_shard(learner, mesh=world.mesh)
    return learner


def weights(learner: Learner) -> dict[str, Any]:
    """The whole weights by name, on the CPU; all processes must ask."""
    return get_model_state_dict(learner, options=WHOLE)


def optimiser_state(
    learner: Learner, optimisers: Sequence[torch.optim.Optimizer]
) -> dict[str, Any]:
    """The whole state of the optimisers, on the CPU; all processes must ask."""
    return get_optimizer_state_dict(learner, optimisers, options=WHOLE)


def restore(learner: Learner, state: dict[str, Any]) -> None:
    """Put whole weights back."""
    set_model_state_dict(learner, state, options=WHOLE)


def restore_optimiser(
    learner: Learner, optimisers: Sequence[torch.optim.Optimizer], state: dict[str, Any]
) -> None:
    """Put a whole state of the optimisers back."""
    set_optimizer_state_dict(learner, optimisers, state, options=WHOLE)
