"""`hymo preview`: draws motions as images and animations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.render.tables import note
from jobs.cli.render.text import clean

if TYPE_CHECKING:
    from hymotion.picture import Entry, Lettering
    from jobs.store.history.jobrow import JobRow
    from worker.cli.written import OutputReport
    from worker.results.selection import Chosen, Folders

LIMIT = 24
MISSING = 20
"""The most characters without a font that a note lists."""


@click.command()
@click.argument("names", metavar="JOB|BATCH...", nargs=-1, required=True)
@click.option("--strip", is_flag=True, help="Draw a film strip (PNG) of each motion.")
@click.option("--gif", is_flag=True, help="Draw an animation (GIF) of each motion.")
@click.option("--sheet", is_flag=True, help="Draw a contact sheet (PNG) of each batch.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="Draw at most N motions, the first of each batch.",
)
@click.option(
    "--font",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Font for scripts that no system font covers.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the images. [default: preview/ beside the batch's motions]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def preview(
    app: App,
    /,
    *,
    names: tuple[str, ...],
    strip: bool,
    gif: bool,
    sheet: bool,
    limit: int,
    font: Path | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Draw motions: film strips, animations, and a contact sheet of a batch.

    JOB is an id, or batch/row as in `night/wave`; a BATCH stands for all its finished jobs. Without
    --strip, --gif or --sheet all of them are drawn, the sheet only for more than one motion. Left
    limbs are orange, right limbs blue; grid lines are half a metre apart. Exits with 1 if a motion
    could not be read; the others are drawn.
    """
    from worker.cli.written import OutputReport
    from worker.results.selection import Chosen, Folders

    every = not (strip or gif or sheet)
    lettering = _lettering(font)
    written = OutputReport("hymo.preview/1", as_json)
    with app.store() as store:
        chosen = Chosen(store, names)
        drawing = PreviewWriter(
            folders=Folders(store, out, "preview"),
            lettering=lettering,
            written=written,
            strip=strip or every,
            gif=gif or every,
            sheet=sheet or (every and chosen.most > 1),
        )
        for job in _first(chosen, limit):
            drawing.draw(job)
        drawing.draw_sheets()
    say_missing(lettering)
    return written.end(chosen.undone)


def _lettering(font: Path | None) -> Lettering:
    from hymotion.picture import Lettering

    try:
        return Lettering(font)
    except OSError as error:
        raise click.BadParameter(f"{font} is not a font: {error}", param_hint="--font") from error


def say_missing(lettering: Lettering) -> None:
    """List characters that were drawn as boxes, at most `MISSING` of them."""
    if lettering.missing:
        lacking = sorted(lettering.missing)
        some = clean(" ".join(lacking[:MISSING]))
        more = f" and {len(lacking) - MISSING} more characters" * (len(lacking) > MISSING)
        note(f"note: no installed font has {some}{more}: give one that does with --font")


def _first(chosen: Chosen, limit: int) -> Iterator[JobRow]:
    """Yield the first jobs; print a note if there are more."""
    if chosen.most > limit:
        note(
            f"note: there are {chosen.most} motions, and --limit {limit} draws the first; "
            f"--limit {chosen.most} draws all"
        )
    for number, job in enumerate(chosen.jobs()):
        if number == limit:
            return
        yield job


@dataclass
class PreviewWriter:
    """Draws the motions of jobs one by one, and the sheets at the end.

    Args:
        strip, gif, sheet: whether to draw each kind.
    """

    folders: Folders
    lettering: Lettering
    written: OutputReport
    strip: bool
    gif: bool
    sheet: bool
    _drawn: dict[str, list[Entry]] = field(default_factory=dict)

    def draw(self, job: JobRow) -> None:
        """Draw the images of a job, or report that its motion could not be read."""
        from hymotion.picture import Caption, Entry, draw_strip, write_gif
        from jobs.artifacts.atomic import output
        from jobs.domain.spec import stem
        from worker.results.reading import NoMotionError, read_motion

        try:
            motion = read_motion(job).motion
        except NoMotionError as error:
            self.written.miss(error)
            return
        caption = Caption(job.prompt, f"{job.batch}/{stem(job.custom_id, job.seed)}")
        if self.strip:
            path = self.folders.of_job(job, ".png").absolute()
            with output(path) as part, part.open("xb") as file:
                draw_strip(motion, caption, self.lettering).save(file, format="PNG")
            self.written.add(path, job=job.id, kind="strip")
        if self.gif:
            path = self.folders.of_job(job, ".gif").absolute()
            with output(path) as part, part.open("xb") as file:
                write_gif(motion, file, caption, self.lettering)
            self.written.add(path, job=job.id, kind="gif")
        if self.sheet:
            self._drawn.setdefault(job.batch, []).append(Entry(motion, caption))

    def draw_sheets(self) -> None:
        """Draw the sheets of each batch."""
        from hymotion.picture import MOST, draw_sheet
        from jobs.artifacts.atomic import output
        from jobs.artifacts.place import file_name

        for batch, entries in self._drawn.items():
            pages = [entries[start : start + MOST] for start in range(0, len(entries), MOST)]
            for number, page in enumerate(pages, start=1):
                name = file_name("batch name", f"{batch}_{_page_name(number)}.png")
                path = self.folders.of_batch(batch) / name
                heading = f"batch {batch}" + (f", page {number} of {len(pages)}" * (len(pages) > 1))
                with output(path.absolute()) as part, part.open("xb") as file:
                    draw_sheet(heading, page, self.lettering).save(file, format="PNG")
                self.written.add(path.absolute(), batch=batch, kind="sheet")


def _page_name(number: int) -> str:
    return "sheet" if number == 1 else f"sheet{number}"
