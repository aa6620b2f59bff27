"""What a model has never seen of a file, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.cli.output import note
from jobs.cli.text import clean, plural
from jobs.verbs.unfamiliar import Rows, Unfamiliar

#: Verbs named before `and N more`, and rows named of each.
NAMED = 8
NAMED_ROWS = 3


def note_unfamiliar(found: Sequence[Unfamiliar]) -> None:
    """Say what the models will guess at, a line each for verbs and for other languages."""
    for each in found:
        if each.verbs:
            number = plural(len(each.verbs), "verb")
            named = ", ".join(
                f"{clean(verb.verb)} ({_rows(verb.rows)})" for verb in each.verbs[:NAMED]
            )
            more = f" and {len(each.verbs) - NAMED} more" if len(each.verbs) > NAMED else ""
            note(
                f"note: model {each.model} has never seen {number} of this file and will guess: "
                f"{named}{more}"
            )
        if each.foreign.count:
            number = plural(each.foreign.count, "prompt")
            note(
                f"note: model {each.model} knows English alone and will guess at {number}: "
                f"{_rows(each.foreign)}"
            )


def _rows(rows: Rows) -> str:
    """`row 12`, `rows 1, 2, 3, …`."""
    named = ", ".join(map(str, rows.first[:NAMED_ROWS]))
    return f"row{'s' * (rows.count > 1)} {named}{', …' * (rows.count > NAMED_ROWS)}"
