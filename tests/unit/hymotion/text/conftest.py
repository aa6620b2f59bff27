"""Small official text encoders, made and loaded once."""

from pathlib import Path

import pytest

from hymotion.text.official import OfficialEncoder
from tests.official import make_text_folder


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_text_folder(tmp_path_factory.mktemp("official") / "text")


@pytest.fixture(scope="session")
def encoder(text_folder: Path) -> OfficialEncoder:
    return OfficialEncoder.load(text_folder, device="cpu", dtype="float32")
