"""One process of runs that several share, one after the other: `torchrun shared_run.py FOLDER
KIND=STEPS …`, each in FOLDER/KIND."""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from hymotion.training.fit import parallel
from hymotion.training.fit.parallel import World
from hymotion.training.fit.trainer import RunControl, Trainer
from tests.unit.hymotion.training.learning import corpus, learner, recipe


def train(world: World, folder: Path, steps: int) -> None:
    folder.mkdir(exist_ok=True)
    known = corpus()
    trainer = Trainer(
        learner=learner(known),
        corpus=known,
        recipe=recipe(steps=10),
        world=world,
        precision="float32",
        folder=folder,
        identity={},
    )
    trainer.run(RunControl(lambda _: None, lambda: trainer.step >= steps, every=1))
    state = trainer.averaged()
    if world.first:
        torch.save(state, folder / "averaged.pt")


def main() -> None:
    folder, *runs = sys.argv[1:]
    torch.set_num_threads(1)
    world = parallel.join("fsdp", "cpu")
    for kind, _, steps in (run.partition("=") for run in runs):
        train(replace(world, kind=kind), Path(folder, kind), int(steps))
    world.close()
    threads = {each.read_text().strip() for each in Path("/proc/self/task").glob("*/comm")}
    assert not [name for name in threads if "gloo" in name], "the process group is still alive"


if __name__ == "__main__":
    main()
