"""The state of a run on disk: written whole or not at all, so that a cut never loses it."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hymotion.training.errors import TrainingError

FILE = "state.pt"
MEND = "Delete that file to start anew, or give another folder"


@dataclass(frozen=True, eq=False)
class RunState:
    """Where a run is.

    Attributes:
        recipe: plain values of the recipe and of the corpus; a run goes on with the same alone.
        step: optimiser steps done.
        seconds: of work, over all sittings.
        learner: the weights, by name.
        average: their moving average, by name.
        optimiser: its state, by name.
        scaler: state of the loss scaling of float16, empty for other types.
    """

    recipe: dict[str, Any]
    step: int
    seconds: float
    learner: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]
    scaler: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write under another name, to the disk, then rename."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{FILE}.part"
        with part.open("wb") as file:
            torch.save(vars(self), file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> "RunState | None":
        """The state in a folder, on the CPU; None where there is none.

        Raises:
            TrainingError: the file cannot be read.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            return cls(**torch.load(path, map_location="cpu", weights_only=True))
        except (RuntimeError, EOFError, OSError, TypeError, pickle.UnpicklingError) as error:
            problem = f"{path} cannot be read ({str(error).splitlines()[0]})"
            raise TrainingError(problem, mend=MEND) from error

    def check(self, recipe: dict[str, Any], folder: Path) -> None:
        """Refuse to go on with another recipe.

        Raises:
            TrainingError: names what differs.
        """
        for name in sorted(recipe.keys() | self.recipe.keys()):
            here, there = recipe.get(name), self.recipe.get(name)
            if here != there:
                problem = f"{folder / FILE} was trained with {name} {there!r}, not {here!r}"
                raise TrainingError(problem, mend=f"Give the same again. {MEND}")
