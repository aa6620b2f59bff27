"""The cap: very many new jobs are counted before anything is written, then confirmed or refused."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from jobs.errors import NotFoundError, SettingsError, UnconfirmedError
from jobs.store.tables import jobs
from jobs.submission.cap import ASKED
from tests.integration.submit.conftest import Desk

ROWS = 20_000
#: Bytes of memory that a survey of ROWS rows may take; their jobs would be many gigabytes.
LITTLE = 40e6


class Asked:
    """Answers questions and remembers them."""

    def __init__(self, answer: bool) -> None:
        self.numbers: list[int] = []
        self._answer = answer

    def __call__(self, new: int) -> bool:
        self.numbers.append(new)
        return self._answer


def huge(desk: Desk) -> Path:
    """A small file of 200 million jobs."""
    return desk.write("prompt,seeds\n" + "a man walks,10000\n" * ROWS)


def nothing(desk: Desk, name: str = "prompts") -> bool:
    """Whether no batch, no job and no file has been made."""
    with pytest.raises(NotFoundError):
        desk.store.batches.get(name)
    return not desk.outbox.chunks and not desk.settings.output.exists()


def insert(desk: Desk, count: int) -> None:
    """Give the batch that is there jobs of the first one's id, with all seeds below `count`."""
    with desk.store.engine.begin() as connection:
        names = [name for name in jobs.c.keys() if name not in {"id", "duration_s"}]  # noqa: SIM118
        values = ["number" if name == "seed" else name for name in names]
        connection.execute(
            text(
                f"INSERT INTO jobs ({', '.join(names)}) WITH RECURSIVE numbers(number) AS"
                f" (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {count - 1})"
                f" SELECT {', '.join(values)} FROM jobs CROSS JOIN numbers WHERE seed = 0"
            )
        )


def test_a_small_file_of_very_many_jobs_is_asked_for_before_anything_is_made(desk: Desk) -> None:
    path, asked = huge(desk), Asked(answer=False)
    tracemalloc.start()
    try:
        with pytest.raises(UnconfirmedError, match=r"would get 200000000 new jobs.* --yes"):
            desk.submit(path, confirm=asked)
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    assert asked.numbers == [ROWS * 10_000]
    assert nothing(desk)


def test_a_setting_refuses_more_new_jobs(desk: Desk) -> None:
    desk.settings = replace(desk.settings, max_jobs=3)
    path = desk.write("prompt,id,seeds\nwalks,a,2\njumps,b,1\n")
    assert desk.submit(path).new == 3
    assert desk.submit(path).existing == 3, "what is there already is not new"
    more = desk.write("prompt,id,seeds\nwalks,a,4\njumps,b,1\nruns,c,2\n")
    with pytest.raises(SettingsError, match="HYMO_MAX_JOBS='3': batch prompts would get 4 new"):
        desk.submit(more)
    assert len(desk.store.batches.existing(1, [("a", seed) for seed in range(4)])) == 2
    fewer = desk.write("prompt,id,seeds\nwalks,a,4\njumps,b,1\nruns,c,1\n")
    assert desk.submit(fewer).new == 3
    moved = desk.write("prompt,id,seed,seeds\nwalks,a,2,4\n")
    with pytest.raises(SettingsError, match="would get 4 new"):
        desk.submit(moved, batch="other")
    assert desk.submit(moved).new == 2, "the first two of its seeds are there"


def test_the_setting_counts_with_a_confirmation_too(desk: Desk) -> None:
    desk.settings = replace(desk.settings, max_jobs=ASKED)
    with pytest.raises(SettingsError, match="HYMO_MAX_JOBS"):
        desk.submit(huge(desk), confirm=Asked(answer=True))
    assert nothing(desk)


@pytest.mark.slow
def test_a_big_night_that_goes_on_asks_nothing(desk: Desk) -> None:
    desk.submit(desk.write("id,prompt\n1,walks\n"))
    insert(desk, 11 * 10_000)
    rows = [f"1,walks,{first},10000\n" for first in range(0, 11 * 10_000, 10_000)]
    path = desk.write("id,prompt,seed,seeds\n" + "".join(rows))
    asked = Asked(answer=False)
    assert desk.submit(path, confirm=asked).new == 0
    assert asked.numbers == []
    path.write_text(path.read_text() + more(11))
    with pytest.raises(UnconfirmedError):
        desk.submit(path, confirm=asked)
    assert asked.numbers == [11 * 10_000], "only what is new is told"


def more(rows: int) -> str:
    """Rows of 10 000 jobs each."""
    return "".join(f"2,jumps,{10_000 * number},10000\n" for number in range(rows))


def test_rows_left_out_are_written_only_if_the_others_are_confirmed(desk: Desk) -> None:
    desk.settings = replace(desk.settings, max_jobs=1)
    path = desk.write("prompt,frames\nwalks,60\njumps,60\nflies,1\n")
    with pytest.raises(SettingsError):
        desk.submit(path, skip_invalid=True)
    assert [each.name for each in desk.folder.iterdir()] == ["prompts.csv"]
    assert nothing(desk)
