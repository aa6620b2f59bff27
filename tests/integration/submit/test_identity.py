"""Which batch a file continues, and which row a job is, whatever the spelling."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from jobs.domain.names import fold
from jobs.errors import ConflictError, NotFoundError
from jobs.store.store import Store
from jobs.store.tables import batches, jobs


def prompts(desk) -> list[tuple[str, str]]:
    with desk.store.engine.connect() as connection:
        query = select(batches.c.name, jobs.c.prompt).join(jobs).order_by(jobs.c.id)
        return [tuple(row) for row in connection.execute(query)]


def renamed(desk, old: str, new: str) -> None:
    """As the rule of another version would have named the batch."""
    with desk.store.engine.begin() as connection:
        connection.execute(
            update(batches).where(batches.c.name == old).values(name=new, folded_name=new.lower())
        )


def test_files_of_other_scripts_are_other_batches(desk) -> None:
    names = ["走路.csv", "跳跃.csv", "Шаги 1.csv", "!!!.csv", "🕺.csv"]
    found = [desk.submit(desk.write(f"prompt\n{name}\n", name)).batch.name for name in names]
    assert found[:3] == ["走路", "跳跃", "Шаги-1"]
    assert len(set(found)) == 5
    assert len(prompts(desk)) == 5


def test_a_file_continues_the_batch_that_was_made_from_it_whatever_its_name(desk) -> None:
    path = desk.write("prompt\nwalks\n", "走路.csv")
    desk.submit(path)
    renamed(desk, "走路", "batch")
    desk.write("prompt\nwalks\njumps\n", "走路.csv")
    again = desk.submit(path)
    assert (again.batch.name, again.existing, again.new) == ("batch", 1, 1)
    assert again.made == ("batch",)
    # The same file by another path is the same file.
    around = Path(os.path.relpath(desk.folder)) / ".." / desk.folder.name / "走路.csv"
    assert desk.submit(around).batch.name == "batch"


def test_of_several_batches_of_a_file_its_own_name_comes_first_then_the_newest(desk) -> None:
    path = desk.write("prompt\nwalks\n", "night.csv")
    for name in ("one", "two"):
        assert desk.submit(path, batch=name).new == 1
    found = desk.submit(path)
    assert (found.batch.name, found.existing, found.made) == ("two", 1, ("two", "one"))
    renamed(desk, "one", "night")
    assert desk.submit(path).batch.name == "night"


def test_another_file_of_the_same_name_takes_nothing_into_the_batch(desk) -> None:
    for day in ("day1", "day2"):
        (desk.folder / day).mkdir()
    desk.submit(desk.write("prompt\nwalks\njumps\n", "day1/prompts.csv"))
    for rows in ("sits\njumps\n", "walks\njumps\nsits\n"):
        second = desk.write(f"prompt\n{rows}", "day2/prompts.csv")
        with pytest.raises(ConflictError, match="--batch NAME") as caught:
            desk.submit(second)
        assert caught.value.exit_code == 1
        assert str(desk.folder / "day1" / "prompts.csv") in str(caught.value)
    assert prompts(desk) == [("prompts", "walks"), ("prompts", "jumps")]
    assert desk.submit(second, batch="day2").new == 3
    # The batch made from it is its own from now on.
    assert desk.submit(second).batch.name == "day2"
    assert desk.submit(second, batch="prompts").new == 1


def test_a_file_that_was_moved_goes_on(desk) -> None:
    (desk.folder / "old").mkdir()
    path = desk.write("prompt\nwalks\njumps\n")
    desk.submit(path)
    moved = path.rename(desk.folder / "old" / path.name)
    assert desk.submit(moved).existing == 2


def test_ids_that_differ_in_case_or_normal_form_are_left_out_across_submits(desk) -> None:
    desk.submit(desk.write("prompt,id,seed\nwalks,Wave,0\n"))
    desk.write("prompt,id,seed\nwalks,Wave,0\nruns,wave,3\njumps,Wave,1\nsits,SIT,0\nsits,sit,9\n")
    found = desk.submit(desk.folder / "prompts.csv")
    assert (found.new, found.existing, found.respelt) == (2, 1, 2)
    lines = [problem.located("prompts.csv") for problem in found.respelt_rows]
    assert [line.split(" is ")[0] for line in lines] == [
        "prompts.csv:3: id: 'wave'", "prompts.csv:6: id: 'sit'"
    ]  # fmt: skip
    assert "'Wave'" in lines[0]
    assert "'SIT'" in lines[1]
    # An id is kept in one normal form, so that both forms of it are one row.
    desk.submit(desk.write("prompt,id\nwalks,caf\u00e9\n", "other.csv"))
    found = desk.submit(desk.write("prompt,id\nwalks,cafe\u0301\n", "other.csv"))
    assert (found.existing, found.respelt) == (1, 0)
    found = desk.submit(desk.write("prompt,id\nwalks,CAFE\u0301\n", "other.csv"))
    assert (found.new, found.respelt) == (0, 1)


def test_spellings_that_an_old_batch_has_go_on(desk) -> None:
    path = desk.write("prompt,id,seed\nwalks,Wave,0\nruns,x,1\n")
    desk.submit(path)
    with desk.store.engine.begin() as connection:
        connection.execute(
            text("UPDATE jobs SET custom_id = 'wave', folded_id = 'wave' WHERE id=2")
        )
    desk.write("prompt,id,seed\nwalks,Wave,0\nruns,wave,1\nsits,wave,2\nsits,Wave,3\nhops,WAVE,4\n")
    found = desk.submit(path)
    assert (found.existing, found.new, found.respelt) == (2, 2, 1)


def test_batches_that_differ_in_case_or_normal_form_are_refused(desk) -> None:
    path = desk.write("prompt\nwalks\n", "caf\u00e9.csv")
    desk.submit(path)
    # Linux tells these two files apart, and their batches have one name.
    second = desk.write("prompt\njumps\n", "cafe\u0301.csv")
    with pytest.raises(ConflictError, match="made from"):
        desk.submit(second)
    third = desk.write("prompt\njumps\n", "CAFE\u0301.csv")
    for name in (None, "CAFE\u0301"):
        with pytest.raises(ConflictError, match="--batch caf\u00e9 to add to it"):
            desk.submit(third, batch=name)
    assert len(prompts(desk)) == 1
    assert desk.submit(third, batch="cafe\u0301", update=True).updated == 1
    assert desk.store.batches.get("CAFE\u0301").name == "caf\u00e9"


def test_a_name_that_two_batches_of_an_old_home_share_is_found_exactly_or_not(store) -> None:
    for name in ("Night", "other"):
        store.batches.ensure(name, source="s", output="/o")
    with store.engine.begin() as connection:
        connection.execute(
            insert(batches).values(
                name="night", folded_name="night", source="s", output="/o", created_at=0
            )
        )
    assert store.batches.get("night").name == "night"
    assert store.batches.ensure("Night", source="s", output="/o").name == "Night"
    with pytest.raises(NotFoundError, match="write Night or night"):
        store.batches.get("NIGHT")


@pytest.mark.parametrize("round_", range(5))
def test_two_submits_at_once_make_one_spelling(database_url, desk, round_: int) -> None:
    del round_
    spellings = ("caf\u00e9", "CAFE\u0301", "Caf\u00e9")
    start = threading.Barrier(len(spellings))
    refused: list[str] = []

    def submit(name: str) -> None:
        folder = desk.folder / name
        folder.mkdir()
        path = folder / f"{name}.csv"
        path.write_text(f"prompt,id\nwalks,{name}\n", "utf-8")
        with Store.open(database_url) as store:
            own = type(desk)(store, desk.settings, folder)
            start.wait()
            # One batch and one row each, in other spellings.
            try:
                own.submit(path)
            except ConflictError:
                refused.append(name)
            start.wait()
            if not own.submit(path, batch="night").new:
                refused.append(name)

    threads = [threading.Thread(target=submit, args=(name,)) for name in spellings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {batch for batch, _ in prompts(desk)}
    assert len(prompts(desk)) == len(made) == 2
    assert {fold(name) for name in made} == {"night", "caf\u00e9"}
    assert len(refused) == 4
