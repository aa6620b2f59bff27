"""The example in docs/measures.md runs as it stands, and its figures are the code's."""

import re
from pathlib import Path

import pytest

from hymotion.metrics import FitSettings, Labelled, descriptor, features, frechet, sequence, space
from tests.unit.hymotion.metrics.bodies import ACTIONS, acting

PAGE = Path(__file__).parents[4] / "docs" / "measures.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    [block] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {
        "real": [
            Labelled(acting(action, seed=seed), action, "held" if seed == 0 else "train")
            for action in ACTIONS
            for seed in range(4)
        ],
        "made": [acting("march", seed=seed) for seed in range(10, 18)],
        "settings": FitSettings(steps=2),
    }
    exec(compile(block, str(PAGE), "exec"), names)
    assert {"quality", "distance", "baseline", "accuracy", "verdict", "parts", "error"} <= set(
        names
    )


@pytest.mark.parametrize(
    "figure",
    [
        f"**Features**, {features.FEATURES} a frame",
        f"**Window**: {descriptor.WINDOW} frames",
        f"every {descriptor.STRIDE}, the last one",
        f"log(r + {descriptor.TREMOR_FLOOR} m/s)",
        f"{descriptor.NUMBERS} numbers",
        f"±{space.FAR:.0f}",
        f"{space.COMPONENTS} principal components",
        f"{frechet.RESAMPLES} bootstrap resamples",
        f"at least {frechet.MIN_CLIPS} clips a side",
        f"window of {sequence.LENGTH} frames, every {sequence.STRIDE}",
        f"at least {sequence.RUN} windows",
    ],
)
def test_the_figures_are_those_of_the_code(figure: str) -> None:
    assert figure in " ".join(TEXT.split())
