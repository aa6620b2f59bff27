"""Storing both prompts and the outcome in either database."""

from __future__ import annotations

from dataclasses import replace

from jobs.domain.batches import NewJob
from jobs.domain.spec import JobSpec, Origin
from jobs.store.store import Store

SPEC = JobSpec("a", "walks", steps=50, guidance=5.0)
ORIGIN = Origin(prompt="läuft 🏃", frames=100, asked=("prompt",), outcome="rewritten")


def test_history_and_manifest_have_what_was_stored(store: Store) -> None:
    batch = store.batches.ensure("b", source="s", output="/o")
    specs = [
        replace(SPEC, origin=ORIGIN),
        replace(SPEC, custom_id="b", origin=replace(ORIGIN, prompt="walks", outcome="unchanged")),
        replace(SPEC, custom_id="c"),
    ]
    new = [NewJob(spec=spec, mode="lite", revision="r", gib=1) for spec in specs]
    assert len(store.batches.insert(batch, new, attempt_limit=3).new) == 3
    again = store.batches.insert(batch, new, attempt_limit=3)
    assert (again.existing, again.changed) == (3, ())
    wanted = [
        ("a", "walks", "läuft 🏃", "rewritten"),
        ("b", "walks", None, "unchanged"),
        ("c", "walks", None, None),
    ]
    assert store.control.cancel(batch_id=batch.id).stopped == 3
    told = [
        (row.custom_id, row.prompt, row.original_prompt, row.rewrite)
        for row in store.manifests.manifest_rows(batch.id)
    ]
    assert told == wanted
    rows = [store.history.find("b", name)[0] for name in "abc"]
    found = [(row.custom_id, row.prompt, row.original_prompt, row.rewrite) for row in rows]
    assert found == wanted
