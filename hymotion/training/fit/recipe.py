"""The hyperparameters of a training run."""

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a training run.

    Attributes:
        mode: configuration of the bundled model to train, "full" or "lite".
        prediction: the network's prediction, one of `hymotion.config.PREDICTIONS`.
        steps: optimiser steps of the whole run, or None if `minutes` determines the end.
        minutes: total training time, including that before each resumption, or None.
        batch_frames: frames per step over all processes, including padding.
        learning_rate: peak value; linear warmup, then decay along a half cosine.
        warmup: number of steps.
        weight_decay: decoupled (Loshchilov & Hutter 2019), matrices only.
        clip: maximum norm of the gradient.
        average: decay per step of the exponential moving average of the weights.
        drop_text: probability of replacing the prompt by the null features, for guidance.
        drop_word: probability of reducing a known word to its pieces, for unknown words.
        crop: probability of cropping a motion that may end anywhere.
        late: motion errors are divided by 1 − t to this power; 2 gives the velocity's error.
        change: weight of the error of the change between frames.
        joints: weight of the error of the posed joints.
        seed: of all random numbers.
    """

    mode: str = "full"
    prediction: str = "preconditioned"
    steps: int | None = 20000
    minutes: float | None = None
    batch_frames: int = 16384
    learning_rate: float = 2e-3
    warmup: int = 500
    weight_decay: float = 0.01
    clip: float = 1.0
    average: float = 0.9995
    drop_text: float = 0.1
    drop_word: float = 0.15
    crop: float = 0.3
    late: float = 2.0
    change: float = 0.3
    joints: float = 0.1
    seed: int = 0

    def progress(self, step: int, seconds: float) -> float:
        """Fraction of the run that is done after `step` steps and `seconds`, 0 to 1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, seconds / (60 * (self.minutes or math.inf)))

    def rate(self, step: int, progress: float) -> float:
        """The learning rate of a step, given the run's progress."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def kept(self, step: int) -> float:
        """Decay of the moving average; lower at the start, where the weights change fast."""
        return min(self.average, (1 + step) / (10 + step))

    def record(self) -> dict[str, object]:
        """The recipe as plain values."""
        return asdict(self)
