"""The notes and the JSON about rewriting."""

from __future__ import annotations

import pytest

from jobs.cli.render import submission as submitted
from jobs.cli.render.notes import note_rewrites
from jobs.cli.render.submission import progress_line
from jobs.documents.submission import rewrite_document
from jobs.rewriting.report import RewriteOutcome, RewriteReport


def test_nothing_is_said_where_none_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    note_rewrites(None)
    assert capsys.readouterr().err == ""
    assert rewrite_document(None) is None


def test_counts_first_reasons_and_what_was_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    report = RewriteReport(
        asked=1,
        rows={RewriteOutcome.REWRITTEN: 4, RewriteOutcome.OWN_LENGTH: 1, RewriteOutcome.FAILED: 9},
        reasons={"HTTP 500: \x1b": 6, "b": 2, "c": 1, "d": 1},
        stopped="HTTP 500",
        cache_fault="answers.db: disk full",
    )
    note_rewrites(report)
    assert capsys.readouterr().err == (
        "note: rewriter: 9 failed, 1 own length, 4 rewritten (1 prompt asked)\n"
        "warning: 10 rows did not get what was asked for: HTTP 500: \\x1b (6 rows); b (2 rows); "
        "c (1 row); and 1 other reason\n"
        "warning: the rewriter is not asked any further: HTTP 500; see docs/rewriting.md\n"
        "warning: the rewriter's answers cannot be cached, so a resubmit asks again: "
        "answers.db: disk full; fix or delete that file\n"
    )
    document = rewrite_document(report)
    assert document is not None
    assert document["rows"] == {"failed": 9, "own_length": 1, "rewritten": 4}
    assert (document["asked"], document["stopped"]) == (1, "HTTP 500")


def test_off_a_terminal_the_progress_of_rewriting_alone_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(submitted.time, "monotonic", lambda: now)
    with progress_line(rewriting=False) as nothing:
        assert nothing is None
    with progress_line(rewriting=True) as progress:
        assert progress is not None
        for row in range(25):
            now = float(row)
            progress("checking", row, 0)
            progress("rewriting", row, 25)
            progress("submitting", row, 25)
    err = capsys.readouterr().err
    assert err.splitlines() == ["rewriting: 10 of 25 rows", "rewriting: 20 of 25 rows"]
