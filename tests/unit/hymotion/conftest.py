"""Fixtures of the model's tests: small networks, loaded once."""

from pathlib import Path

import pytest
import torch

import hymotion
from hymotion.conditioning import TextConditioning
from hymotion.pipeline import Pipeline

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    # The tests' tensors are small, and threads that wait for a busy core cost more than they bring.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def full() -> Pipeline:
    return hymotion.load_bundled("tiny", "full")


@pytest.fixture(scope="session")
def lite() -> Pipeline:
    return hymotion.load_bundled("tiny", "lite")


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return GOLDEN / "mini"


@pytest.fixture(scope="session")
def mini(golden_folder: Path) -> Pipeline:
    return hymotion.load(golden_folder)


@pytest.fixture
def text_of_mini() -> TextConditioning:
    generator = torch.Generator().manual_seed(1)
    return TextConditioning(
        vtxt=torch.randn(1, 24, generator=generator),
        ctxt=torch.randn(9, 48, generator=generator),
        length=7,
    )
