"""Text plans with real workers: an imported model, its encoder, and the folder of texts."""

from __future__ import annotations

import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.plant import Plant
from tests.installed import NAME, install

PROMPTS = 5
SEEDS = 3


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the model."""
    home = tmp_path_factory.mktemp("installed")
    install(home, tmp_path_factory.mktemp("sources"))
    return home


@pytest.fixture
def stocked(plant: Plant, installed: Path) -> Plant:
    """A plant with the model installed."""
    shutil.copytree(installed / "models", plant.home / "models")
    return plant


def submit(plant: Plant, *, prompts: int = PROMPTS, name: str = "t") -> int:
    """Submit prompts with several seeds each; return the number of jobs."""
    words = [*plant.submit_command(plant.prompts(prompts, name), steps=3, model=NAME)]
    started = plant.start("submit", *words, "--seeds", str(SEEDS))
    assert started.ended() == 0, started.said
    return prompts * SEEDS


def figures(plant: Plant, column: str) -> Counter[str]:
    """Number of attempts for each kind and value of a column."""
    rows = plant.rows(f"SELECT mode, outcome, {column} AS value FROM attempts")
    return Counter(f"{row.mode} {row.outcome} {row.value}" for row in rows)


def test_staged_each_prompt_is_encoded_once_and_each_model_loaded_once(stocked: Plant) -> None:
    jobs = submit(stocked)
    worker = stocked.worker("w", model=NAME, text_plan="staged")
    stocked.finish(jobs)
    assert stocked.counts() == {"succeeded": jobs}
    embeddings = figures(stocked, "embedding")
    assert embeddings["encode encoded made"] == PROMPTS
    assert embeddings["full succeeded hit"] == jobs
    assert "full succeeded made" not in embeddings
    # Warming up loads the sampler first, so that a broken one is reported at once.
    assert worker.said.count("text encoder of hy-motion-1.0 loaded") == 1
    assert worker.said.count("hy-motion-1.0 full loaded") == 2
    assert figures(stocked, "plan")["full succeeded staged"] == jobs
    loads = stocked.rows("SELECT sum(loads) AS n FROM attempts")[0].n
    assert loads == 3
    files = list((stocked.home / "embeddings").rglob("*.safetensors"))
    assert len(files) == PROMPTS


def test_a_card_without_room_for_the_encoder_samples_what_another_encoded(stocked: Plant) -> None:
    jobs = submit(stocked)
    small = stocked.worker("small", model=NAME, text_plan="remote")
    stocked.until(
        lambda: stocked.rows("SELECT 1 FROM jobs WHERE encode_gib IS NOT NULL"), "texts wait"
    )
    assert stocked.counts() == {"queued": jobs}
    # Too small for the motions' class, but large enough for this encoder.
    large = stocked.worker("large", model=NAME, text_plan="resident", memory=3)
    stocked.finish(jobs)
    outcomes = Counter(
        (row.worker_name, row.mode, row.outcome)
        for row in stocked.rows("SELECT worker_name, mode, outcome FROM attempts")
        if row.outcome != "released"
    )
    assert outcomes == {
        ("large", "encode", "encoded"): PROMPTS,
        ("small", "full", "succeeded"): jobs,
    }
    assert "text encoder" not in small.said
    assert "text encoder of hy-motion-1.0 loaded" in large.said


def test_an_encoder_that_is_killed_loses_no_text(stocked: Plant) -> None:
    jobs = submit(stocked, prompts=12)
    first = stocked.worker("first", model=NAME, text_plan="staged")
    stocked.until(
        lambda: stocked.rows("SELECT 1 FROM attempts WHERE mode = 'encode'"), "it encodes"
    )
    first.send(signal.SIGKILL)
    stocked.worker("second", model=NAME, text_plan="resident")
    stocked.finish(jobs)
    assert stocked.counts() == {"succeeded": jobs}
