"""A submit, its plan and its notes as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobs.verbs.unfamiliar import Rows, Unfamiliar

if TYPE_CHECKING:
    from jobs.rewriting.report import RewriteReport
    from jobs.submission.result import SubmitResult
    from jobs.submission.router import SubmitPlan


def result_document(result: SubmitResult) -> dict[str, object]:
    """The JSON of a submit, schema `hymo.submit/1`."""
    return {
        "schema": "hymo.submit/1",
        "batch": result.batch.name,
        "new": result.new,
        "existing": result.existing,
        "changed": result.changed,
        "cached": result.cached,
        "invalid": result.invalid,
        "requeued": result.requeued,
        "updated": result.updated,
        "reprioritised": result.reprioritised,
        "respelt": result.respelt,
        "unfamiliar": unfamiliar_document(result.unfamiliar),
        "recognised": list(result.reading.recognised),
        "rewrite": rewrite_document(result.rewrites),
    }


def plan_document(plan: SubmitPlan) -> dict[str, object]:
    """The JSON of a dry run, schema `hymo.plan/1`."""
    return {
        "schema": "hymo.plan/1",
        "batch": plan.batch,
        "rows": plan.rows,
        "jobs": plan.jobs,
        "new": plan.new,
        "invalid": plan.invalid,
        "auto": plan.auto,
        "classes": [
            {
                "queue": each.queue,
                "model": each.model,
                "jobs": each.jobs,
                "frames": list(each.frames),
                "workers": list(each.workers),
                "misfits": each.misfits,
            }
            for each in plan.classes
        ],
        "unfamiliar": unfamiliar_document(plan.unfamiliar),
        "recognised": list(plan.reading.recognised),
        "rewrite": rewrite_document(plan.rewrites),
    }


def rewrite_document(report: RewriteReport | None) -> dict[str, object] | None:
    """The value of `rewrite` in the JSON of a submit, a dry run or a run (docs/json.md)."""
    if report is None:
        return None
    return {
        "asked": report.asked,
        "rows": {outcome.value: count for outcome, count in sorted(report.rows.items())},
        "reasons": dict(report.reasons),
        "stopped": report.stopped,
    }


def unfamiliar_document(found: Sequence[Unfamiliar]) -> list[dict[str, object]]:
    """The value of `unfamiliar` in the JSON of a submit, a dry run or a run (docs/json.md)."""
    return [
        {
            "model": each.model,
            "verbs": [{"verb": verb} | _rows_document(rows) for verb, rows in each.verbs.items()],
            "not_english": _rows_document(each.foreign),
        }
        for each in found
    ]


def _rows_document(rows: Rows) -> dict[str, object]:
    return {"count": rows.count, "rows": list(rows.first)}
