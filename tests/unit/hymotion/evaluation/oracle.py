"""Made-up models, one that understands every prompt and one that understands none, and measures."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

from hymotion.body.motion import Motion
from hymotion.errors import NumericsError
from hymotion.evaluation.evaluate import Measures
from hymotion.metrics import FitSettings, Labelled, Reference, fit, measure
from hymotion.metrics.baseline import ActionBaseline, Baseline
from hymotion.metrics.frechet import Distance
from hymotion.metrics.level import Level
from hymotion.sampling.request import Request
from hymotion.training.phrases.phrases import own_texts
from tests.unit.hymotion.metrics.bodies import acting, spliced

MOVES = {"walk": "march", "wave": "wave", "bend": "bow", "spin": "turn"}
"""Actions that have phrases, and the made-up moves that stand for them here."""

FRAMES = 60


def moving(action: str, *, seed: int, frames: int) -> Motion:
    return acting(MOVES[action], seed=seed, frames=frames)


def measures() -> Measures:
    real = [
        Labelled(moving(action, seed=seed, frames=FRAMES), action)
        for action in MOVES
        for seed in range(1000, 1012)
    ]
    reference = Reference.of(item.motion for item in real)
    level = Level.of([measure(item.motion) for item in real])
    none = Distance(value=1, low=0, high=2, clips=(8, 8), windows=(8, 8), dimensions=33)
    baseline = Baseline(
        reference=reference.revision,
        actions={
            action: ActionBaseline(frames=FRAMES, clips=12, held=(1, 1), quality=level)
            for action in MOVES
        },
        quality=level,
        held=0.97,
        rested=0.96,
        pairs=0.9,
        noise=0.03,
        real_distance=none,
        noise_distance=none,
    )
    judge = fit(real, FitSettings(steps=120, batch=32, width=32))
    return Measures(judge=judge, reference=reference, baseline=baseline)


class Model:
    """What an evaluation needs of a pipeline, without a network."""

    model, mode, revision, trained = "made-up", "lite", "r1", True
    train_frames = 360
    config = SimpleNamespace(steps=7, guidance=2.0)

    def __init__(
        self,
        show: Callable[[Request], Motion],
        fails: Callable[[Request], bool] = lambda request: False,
    ) -> None:
        self.show = show
        self.fails = fails
        self.packs: list[int] = []

    def sample(self, requests: Sequence[Request]) -> list[Motion]:
        assert len({request.steps for request in requests}) == 1
        self.packs.append(len(requests))
        bad = [index for index, request in enumerate(requests) if self.fails(request)]
        if bad:
            raise NumericsError(step=3, total=7, indices=bad)
        return [self.show(request) for request in requests]


def understood(request: Request) -> Motion:
    """What the prompt says; of a sequence both parts, half of the frames each."""
    texts = own_texts()
    prompt = request.prompt or ""
    found = {
        prompt.index(phrase.phrase): phrase.action
        for phrase in sorted(texts.phrases, key=lambda one: len(one.phrase))
        if phrase.action in MOVES and phrase.split == "held" and phrase.phrase in prompt
    }
    parts = [found[place] for place in sorted(found)]
    frames = request.frames // len(parts)
    motions = [moving(part, seed=request.seed, frames=frames) for part in parts]
    return motions[0] if len(motions) == 1 else spliced(*motions)


def always_waving(request: Request) -> Motion:
    return moving("wave", seed=request.seed, frames=request.frames)
