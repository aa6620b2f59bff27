"""One process of a run that several share: `torchrun shared_run.py KIND FOLDER STEPS`."""

import sys
from pathlib import Path

import torch

from hymotion.training.fit import parallel
from hymotion.training.fit.trainer import RunControl, Trainer
from tests.unit.hymotion.training.learning import corpus, learner, recipe


def main() -> None:
    kind, folder, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    world = parallel.join(kind, "cpu")
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
    world.close()


if __name__ == "__main__":
    main()
