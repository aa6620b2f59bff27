"""How a model is trained: every number that decides the result."""

import math
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Recipe:
    """The numbers of a training run.

    Attributes:
        mode: which of the bundled models, "full" or "lite".
        prediction: what the network predicts, one of `hymotion.config.PREDICTIONS`.
        steps: optimiser steps of the whole run, or None where `minutes` says when it ends.
        minutes: of work, all sittings of a cut and resumed run together, or None.
        batch_frames: frames of a step over all processes, padding included.
        learning_rate: the highest one; it warms up linearly and falls as a half cosine.
        warmup: steps.
        weight_decay: decoupled (Loshchilov & Hutter 2019), matrices only.
        clip: the greatest norm of the gradient.
        average: share of the old weights that the exponential moving average keeps a step.
        drop_text: how often the prompt gives way to the null features, for guidance.
        drop_word: how often a known word gives way to its pieces, for unknown ones.
        crop: how often a motion that may end anywhere is cut short.
        late: how much errors count near the end of the way: by the way left to this power. 2
            makes the error one of the velocity.
        change: weight of the error of the change from frame to frame.
        joints: weight of the error of the posed joints.
        seed: of everything drawn.
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
        """How much of the run is done after `step` steps and `seconds` of work, 0 to 1."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, seconds / (60 * (self.minutes or math.inf)))

    def rate(self, step: int, progress: float) -> float:
        """The learning rate of a step, given how much of the run is done."""
        rise = min(1.0, (step + 1) / self.warmup)
        return self.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))

    def kept(self, step: int) -> float:
        """What the moving average keeps of the old weights; less at the start, where all is new."""
        return min(self.average, (1 + step) / (10 + step))

    def record(self) -> dict[str, object]:
        """As plain values."""
        return asdict(self)
