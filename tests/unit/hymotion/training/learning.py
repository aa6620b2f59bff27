"""A corpus small enough to learn in seconds: bodies that sway to one side or the other."""

import math
from importlib.resources import files

import torch
from torch import Tensor

from hymotion.body.skeleton import PELVIS_HEIGHT
from hymotion.config import ModelConfig
from hymotion.training.fit.corpus import Corpus, grouped
from hymotion.training.fit.learner import Learner
from hymotion.training.fit.objective import Statistics
from hymotion.training.fit.parallel import World
from hymotion.training.fit.poser import Poser
from hymotion.training.fit.prompts import Prompts
from hymotion.training.fit.recipe import Recipe

TEXTS = ("a person sways left", "a person sways right", "someone stands", "somebody waits longer")
VOCABULARY = ("<prompt>", "a", "person", "sways", "left", "right", "someone", "stands")
LENGTHS = (24, 30, 40, 62)
CPU = torch.device("cpu")
ALONE = World("none", 0, 1, CPU)


def config_text() -> str:
    """A config of the bundled model's kind, but far smaller."""
    text = files("hymotion").joinpath("models", "tiny", "lite", "config.yml").read_text("utf-8")
    for key, value in (("feat_dim: 256", "feat_dim: 32"), ("num_heads: 4", "num_heads: 2")):
        assert key in text
        text = text.replace(key, value)
    return text


def config() -> ModelConfig:
    return ModelConfig.parse(config_text())


def motions() -> list[Tensor]:
    """Frames (L, 201) of bodies in a T-pose that move, each in a way of its own."""
    made: list[Tensor] = []
    for number, length in enumerate(LENGTHS):
        frames = torch.zeros(length, 201)
        frames[:, 3:135] = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).repeat(22)
        frames[:, 135:] = Poser()(frames[None])[0].flatten(1)
        frames[:, 1] = PELVIS_HEIGHT
        frames[:, 0] += torch.sin(torch.arange(length) / (3 + number)) * 0.1 * math.cos(number * 3)
        frames[:, 2] += torch.linspace(0, number / 4, length)
        made.append(frames)
    return made


def corpus(device: torch.device = CPU) -> Corpus:
    made = motions()
    every = torch.cat(made)
    plain = Statistics(every.mean(0), every.std(0), torch.ones(201))
    normalised = [plain.normalised(item) for item in made]
    change = torch.cat([torch.diff(item, dim=0) for item in normalised]).std(0)
    lengths = torch.tensor(LENGTHS)
    prompts = Prompts.of(
        [[text, text.upper()] for text in TEXTS], vocabulary=VOCABULARY, config=config()
    )
    return Corpus(
        frames=torch.cat(normalised).to(device),
        starts=(lengths.cumsum(0) - lengths).to(device),
        lengths=lengths.to(device),
        steady=torch.tensor([True, True, False, False]).to(device),
        groups=grouped(lengths, torch.full((len(LENGTHS),), 0.25, dtype=torch.float64)),
        prompts=prompts.to(device),
        statistics=Statistics(plain.mean, plain.std, change).to(device),
    )


def learner(known: Corpus) -> Learner:
    torch.manual_seed(0)
    return Learner(
        config=config(),
        words=len(VOCABULARY),
        statistics=known.statistics,
        pieces=known.prompts.pieces,
    )


def recipe(**given: object) -> Recipe:
    values: dict[str, object] = {"mode": "lite", "steps": 40, "batch_frames": 256, "warmup": 5}
    return Recipe(**(values | given))  # type: ignore[arg-type]
