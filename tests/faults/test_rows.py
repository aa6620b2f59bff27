"""Rows that somebody else wrote: a worker writes no file outside of its batch and its roots."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import text

from jobs.domain.states import State
from tests.faults.plant import Plant

HOSTILE = {"j1": {"custom_id": "../../../victim/x"}, "j2": {"formats": '["../../../victim/x"]'}}


def test_a_row_that_leads_elsewhere_fails_alone(plant: Plant, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    plant.submit(3, name="j")
    plant.submit(1, name="k")
    plant.environ["HYMO_OUTPUT"] = str(victim)
    plant.submit(1, name="away")
    with plant.store.engine.begin() as connection:
        for name, columns in HOSTILE.items():
            for column, value in columns.items():
                statement = f"UPDATE jobs SET {column} = :value WHERE custom_id = :name"
                connection.execute(text(statement), {"value": value, "name": name})
        connection.execute(text("UPDATE batches SET name = '../../victim' WHERE name = 'k'"))
    worker = plant.worker("w", HYMO_OUTPUT_ROOTS=str(plant.home / "output"))
    plant.until_done(4)
    for name in (HOSTILE["j1"]["custom_id"], "j2", "k1"):
        assert plant.job(name).state == State.FAILED
        [only] = plant.tries(name)
        assert only.failure == "invalid"
        assert "\n" not in only.error
        assert "in the database is" in only.error
    assert plant.job("j3").state == State.SUCCEEDED

    plant.until(lambda: "outside HYMO_OUTPUT_ROOTS of w" in worker.said, "the batch is left out")
    shown = json.loads(plant.run("show", "away/away1", "--json"))
    assert f"waits: output {victim} is outside HYMO_OUTPUT_ROOTS of w" in json.dumps(shown)
    assert plant.job("away1").state == State.QUEUED
    assert [path.name for path in victim.rglob("*") if path.name != ".hymo-batch.json"] == ["away"]
