"""A file becomes one batch, on SQLite and on PostgreSQL."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from sqlalchemy import select

from jobs.domain.states import State
from jobs.errors import SettingsError
from jobs.promptfile.defaults import Defaults
from jobs.promptfile.problem import PromptFileError
from jobs.promptfile.source import open_source
from jobs.store.tables import batches, jobs


def rows(desk) -> list:
    with desk.store.engine.connect() as connection:
        return list(connection.execute(select(jobs).order_by(jobs.c.id)))


def test_everything_a_row_says_is_stored(desk, register) -> None:
    register()
    path = desk.write(
        "prompt,id,seconds,seed,seeds,mode,steps,guidance,priority,formats,model,scene\n"
        "走る — “fast”,run,2,5,2,auto,20,3.5,-7,bvh;npz,null,'); DROP TABLE jobs;--\n"
    )
    result = desk.submit(path)
    assert (result.new, result.existing, result.changed, result.cached) == (2, 0, 0, 0)
    assert (result.auto, result.misfits, result.undelivered) == ({"full": 2}, {}, None)
    first, second = rows(desk)
    assert (first.seed, second.seed) == (5, 6)
    assert (first.custom_id, first.prompt, first.frames) == ("run", "走る — “fast”", 60)
    assert (first.requested_mode, first.mode, first.steps) == ("auto", "full", 20)
    assert (first.guidance, first.priority, first.formats) == (3.5, -7, ["bvh", "npz"])
    assert (first.model, first.revision, first.attempt_limit) == ("null", "null-1", 3)
    assert first.metadata == {"scene": "'); DROP TABLE jobs;--"}
    assert first.state == State.QUEUED
    batch = result.batch
    assert (batch.name, batch.source) == ("prompts", str(path))
    assert batch.output == str(desk.settings.output)
    assert sorted(desk.outbox.messages) == [
        (row.id, f"hymo.full.{row.class_gib}") for row in rows(desk)
    ]
    assert all(row.published_at is not None for row in rows(desk))


def test_submitting_again_adds_nothing_and_says_what_changed(desk) -> None:
    path = desk.write("prompt,id\nwalks,a\njumps,b\nhops,c\n")
    assert desk.submit(path).new == 3
    again = desk.submit(path)
    assert (again.new, again.existing, again.changed) == (0, 3, 0)
    assert len(desk.outbox.messages) == 3
    desk.write("prompt,id\nwalks,a\nleaps,b\nhops,c\nbows,d\n")
    changed = desk.submit(path)
    assert (changed.new, changed.existing, changed.changed) == (1, 2, 1)
    assert changed.changed_rows == (("b", 0),)
    assert [row.prompt for row in rows(desk)] == ["walks", "jumps", "hops", "bows"]


def test_only_the_first_few_changed_rows_are_named(desk) -> None:
    desk.submit(desk.write("prompt,seeds\nwalks,20\n"))
    result = desk.submit(desk.write("prompt,seeds\njumps,20\n"))
    assert result.changed == 20
    assert len(result.changed_rows) == 5


def test_a_file_with_a_problem_commits_nothing_and_lists_all(desk) -> None:
    content = "prompt,frames,id\n" + "walks,60,\n" * 2500 + "jumps,1,\nhops,60,../x\n"
    with pytest.raises(PromptFileError) as caught:
        desk.submit(desk.write(content))
    assert caught.value.total == 2
    assert rows(desk) == []
    with desk.store.engine.connect() as connection:
        assert list(connection.execute(select(batches))) == []
    assert desk.outbox.tries == 0
    assert [path.name for path in desk.folder.iterdir()] == ["prompts.csv"]


def test_skip_invalid_submits_the_good_rows_and_the_mended_ones_join_them(desk) -> None:
    path = desk.write("prompt,frames\nwalks,60\njumps,1\nhops,60\n")
    result = desk.submit(path, skip_invalid=True)
    assert (result.new, result.invalid) == (2, 1)
    assert [problem.line for problem in result.problems] == [3]
    assert result.invalid_file == desk.folder / "prompts.invalid.csv"
    text = result.invalid_file.read_text()
    result.invalid_file.write_text(text.replace("jumps,1,", "jumps,70,"))
    mended = desk.submit(result.invalid_file, batch="prompts")
    assert (mended.new, mended.existing, mended.changed) == (1, 0, 0)
    assert [row.custom_id for row in rows(desk)] == ["1", "3", "2"]
    # All rows of the whole file, fixed in the same way, then exist.
    desk.write("prompt,frames\nwalks,60\njumps,70\nhops,60\n")
    whole = desk.submit(path)
    assert (whole.new, whole.existing, whole.changed) == (0, 3, 0)


def test_skip_invalid_with_no_good_row_is_refused_and_still_writes_the_bad_ones(desk) -> None:
    with pytest.raises(PromptFileError):
        desk.submit(desk.write("prompt,frames\nwalks,1\n"), skip_invalid=True)
    assert (desk.folder / "prompts.invalid.csv").exists()
    assert rows(desk) == []


def test_skip_invalid_does_not_go_past_a_broken_file(desk) -> None:
    with pytest.raises(PromptFileError, match="never closed"):
        desk.submit(desk.write('prompt\nwalks\n"jumps\n'), skip_invalid=True)
    assert rows(desk) == []


def test_batches_are_named_by_option_or_file(desk) -> None:
    path = desk.write("prompt\nwalks\n", "my prompts (1).csv")
    assert desk.submit(path).batch.name == "my-prompts-1"
    assert desk.submit(path, batch="night_7").batch.name == "night_7"
    assert len(rows(desk)) == 2
    for name in ("../x", "", "con", "a b", "x" * 181):
        with pytest.raises(SettingsError, match="--batch") as caught:
            desk.submit(path, batch=name)
        assert caught.value.exit_code == 2


def test_auto_is_resolved_once_and_kept(desk, register) -> None:
    path = desk.write("prompt,mode\nwalks,auto\njumps,full\n")
    result = desk.submit(path)
    assert result.auto == {"lite": 1}
    assert sorted(result.misfits.values()) == [1, 1]
    assert all("no worker is live" in reason for reason in result.misfits)
    register()
    again = desk.submit(path)
    assert (again.existing, again.changed, again.auto, again.misfits) == (2, 0, {}, {})
    assert [row.mode for row in rows(desk)] == ["lite", "full"]
    assert desk.submit(path, batch="other").auto == {"full": 1}


def test_only_new_jobs_are_counted_for_auto_and_misfits(desk) -> None:
    desk.submit(desk.write("prompt,seeds\nwalks,2\n"))
    result = desk.submit(desk.write("prompt,seeds\nwalks,3\n"))
    assert (result.new, result.existing, result.auto) == (1, 2, {"lite": 1})
    assert list(result.misfits.values()) == [1]


def test_declared_workers_count(desk, store) -> None:
    from jobs.domain.memory import GIB
    from jobs.domain.routing import Offer
    from jobs.domain.workers import WorkerCard

    offer = Offer("planned", ("full",), ("tiny",), 80 * GIB)
    store.workers.declare(
        WorkerCard(offer, "host", None, "cuda:0", "a100", "bfloat16", nvlink=False, queues=())
    )
    result = desk.submit(desk.write("prompt\nwalks\n"))
    waits = "waits for declared worker planned, which is not up"
    assert (result.auto, result.misfits) == ({"full": 1}, {waits: 1})


def test_misfits_are_counted_by_reason(desk, register) -> None:
    register(gib=1, modes=("lite",))
    content = (
        "prompt,mode,model\n" + "walks,full,null\n" * 3 + "jumps,lite,null\n" * 2 + "x,,tiny\n"
    )
    result = desk.submit(desk.write(content))
    assert result.new == 6
    assert sorted(result.misfits.values()) == [2, 3]
    assert any("largest live: 1 GiB" in reason for reason in result.misfits)


def test_chunks_are_committed_and_published_one_by_one(desk) -> None:
    seen: list[tuple[str, int, int]] = []
    path = desk.write("prompt,seeds\nwalks,1500\njumps,1000\n")
    result = desk.submit(path, progress=lambda *at: seen.append(at))
    assert result.new == 2500
    assert [len(chunk) for chunk in desk.outbox.chunks] == [1000, 1000, 500]
    assert [at for at in seen if at[0] == "submitting"] == [
        ("submitting", 1000, 2500), ("submitting", 2000, 2500), ("submitting", 2500, 2500),
    ]  # fmt: skip
    assert ("checking", 2, 0) in seen


def test_an_unreachable_broker_loses_nothing(desk) -> None:
    desk.outbox.down = 1
    result = desk.submit(desk.write("prompt,seeds\nwalks,2500\n"))
    assert result.new == 2500
    assert result.undelivered is not None
    assert desk.outbox.tries == 2, "it is not tried again for every chunk"
    waiting = [row.id for row in rows(desk) if row.published_at is None]
    assert len(waiting) == 1500
    found = desk.store.delivery.unpublished(limit=2000)
    assert sorted(job_id for job_id, _ in found) == waiting


def test_a_submit_that_stopped_between_chunks_is_completed_by_repeating_it(desk) -> None:
    path = desk.write("prompt,seeds\nwalks,2500\n")

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "submitting" and done == 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.submit(path, progress=stop)
    assert len(rows(desk)) == 1000
    result = desk.submit(path)
    assert (result.new, result.existing, result.changed) == (1500, 1000, 0)
    assert sorted(row.seed for row in rows(desk)) == list(range(2500))


def test_a_file_that_changes_between_the_passes_is_noticed(desk) -> None:
    path = desk.write("prompt,frames\nwalks,60\njumps,60\n")

    def spoil(stage: str, done: int, total: int) -> None:
        if stage == "checking" and done == 2:
            path.write_text("prompt,frames\nwalks,60\njumps,10\n")

    with pytest.raises(PromptFileError, match="out of range"):
        desk.submit(path, progress=spoil)


def test_a_plan_commits_nothing(desk, register) -> None:
    register("big")
    path = desk.write("prompt,frames\nwalks,60\njumps,1\n")
    with open_source(str(path), format_name=None, stdin=io.BytesIO()) as source:
        with pytest.raises(PromptFileError):
            desk.submitter().plan(source, Defaults())
        plan = desk.submitter().plan(source, Defaults(seeds=3), skip_invalid=True)
    assert (plan.batch, plan.rows, plan.jobs, plan.invalid) == ("prompts", 1, 3, 1)
    assert plan.classes[0].workers == ("big",)
    assert rows(desk) == []
    assert [each.name for each in desk.folder.iterdir()] == ["prompts.csv"]


def test_the_example_is_good_and_modest(desk, register) -> None:
    register()
    example = Path(__file__).parents[3] / "examples" / "prompts.csv"
    result = desk.submit(example)
    assert 24 <= result.new <= 40
    assert (result.invalid, result.misfits) == (0, {})
    stored = rows(desk)
    assert {row.mode for row in stored} == {"full", "lite"}
    assert len({row.frames for row in stored}) > 10
    assert len({row.priority for row in stored}) > 3
    assert sum(row.frames * row.steps for row in stored) < 200_000
