"""Notes on stderr about the prompts of a submit: unseen verbs, and rewriting."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from jobs.artifacts.folder import UNMOUNTED
from jobs.cli.render.tables import note
from jobs.cli.render.text import clean, plural
from jobs.verbs.unfamiliar import Rows, Unfamiliar

if TYPE_CHECKING:
    from jobs.artifacts.folder import Sight
    from jobs.domain.batches import Batch
    from jobs.promptfile.source import Source
    from jobs.promptfile.survey import Reading
    from jobs.rewriting.report import RewriteReport

#: Number of verbs listed before `and N more`, and of rows per verb.
NAMED = 8
NAMED_ROWS = 3
#: Number of reasons listed before `and N more`.
REASONS = 3
SEE = "docs/rewriting.md"


def note_reading(source: Source, reading: Reading) -> None:
    """Print how a file is written where that was not said, for the user to confirm."""
    if reading.recognised:
        note(f"note: {source.name} is read as {', '.join(reading.recognised)}")
    if reading.momask:
        note(
            "note: lengths are frames at 30 a second; if the file is one of MoMask, "
            "which counts 20, multiply them by 1.5 first"
        )


def note_folder(batch: Batch, seen: Sight) -> None:
    """Print why a batch's folder, though it is here, cannot be used, or that its mark is new."""
    if seen.fault not in {None, UNMOUNTED}:
        note(
            f"warning: {batch.folder} {seen.fault}; the jobs wait for a worker that can "
            "write there: mend the folder, or submit under another --batch and --output"
        )
    elif seen.laid:
        note(
            f"note: {batch.folder} had no mark of batch {batch.name} and has one now, so workers "
            "write there; if a share belongs there, check that it is mounted"
        )


def note_reread(reading: Reading) -> None:
    """Print why rows may ask for something else than when an earlier version read them."""
    if reading.reread:
        note(
            f"note: {plural(reading.reread, 'row')} may read differently than in earlier versions: "
            "spaces before an opening quote and invisible ones around a cell are no part of it"
        )


def note_unfamiliar(found: Sequence[Unfamiliar]) -> None:
    """Print unseen verbs and prompts in other languages, one line each per model."""
    for each in found:
        if each.verbs:
            number = plural(len(each.verbs), "verb")
            named = ", ".join(
                f"{clean(verb)} ({_rows(rows)})" for verb, rows in [*each.verbs.items()][:NAMED]
            )
            more = f" and {len(each.verbs) - NAMED} more" if len(each.verbs) > NAMED else ""
            note(
                f"note: model {each.model} has never seen {number} of this file and will guess: "
                f"{named}{more}"
            )
        if each.foreign.count:
            number = plural(each.foreign.count, "prompt")
            note(
                f"note: model {each.model} knows only English and will guess at {number}: "
                f"{_rows(each.foreign)}"
            )


def _rows(rows: Rows) -> str:
    """`row 12`, `rows 1, 2, 3, …`."""
    named = ", ".join(map(str, rows.first[:NAMED_ROWS]))
    return f"row{'s' * (rows.count > 1)} {named}{', …' * (rows.count > NAMED_ROWS)}"


def note_rewrites(report: RewriteReport | None) -> None:
    """Print the outcome of rewriting, and warnings about failures."""
    if report is None:
        return
    counts = ", ".join(
        f"{count} {outcome.value.replace('_', ' ')}"
        for outcome, count in sorted(report.rows.items())
    )
    asked = plural(report.asked, "prompt")
    note(f"note: rewriter: {counts or 'no row to ask about'} ({asked} asked)")
    kept = sum(report.reasons.values())
    if kept:
        reasons = "; ".join(
            f"{clean(reason)} ({plural(count, 'row')})"
            for reason, count in islice(report.reasons.items(), REASONS)
        )
        more = len(report.reasons) - REASONS
        others = f"; and {plural(more, 'other reason')}" if more > 0 else ""
        note(f"warning: {plural(kept, 'row')} did not get what was asked for: {reasons}{others}")
    if report.stopped is not None:
        note(f"warning: the rewriter is not asked any further: {clean(report.stopped)}; see {SEE}")
    if report.cache_fault is not None:
        note(
            f"warning: the rewriter's answers cannot be cached, so a resubmit asks again: "
            f"{clean(report.cache_fault)}; fix or delete that file"
        )
