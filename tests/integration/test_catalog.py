"""The queue's catalog says of the bundled models what their own files say."""

from __future__ import annotations

import pytest

from hymotion.config import ModelConfig
from hymotion.loading.model import bundled_folder
from jobs.domain.catalog import CATALOG, MODES


@pytest.mark.parametrize("mode", MODES)
def test_the_bundled_model_is_as_its_own_file_says(mode: str) -> None:
    entry = CATALOG["tiny"]
    config = ModelConfig.read(bundled_folder("tiny", mode) / "config.yml")
    assert (entry.name, entry.trained) == (config.model, config.trained)
    assert (entry.steps, entry.guidance) == (config.steps, config.guidance)
    assert entry.revisions[mode] == config.revision


def test_the_bundled_model_has_a_revision_for_each_mode() -> None:
    assert set(CATALOG["tiny"].revisions) == set(MODES)
