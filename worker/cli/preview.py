"""`hymo preview`: pictures of motions to look at."""

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
"""Characters without a font that are named."""


@click.command()
@click.argument("names", metavar="JOB|BATCH...", nargs=-1, required=True)
@click.option("--strip", is_flag=True, help="A film strip (PNG) of each motion.")
@click.option("--gif", is_flag=True, help="An animation (GIF) of each motion.")
@click.option("--sheet", is_flag=True, help="A contact sheet (PNG) of each batch's motions.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=LIMIT,
    show_default=True,
    metavar="N",
    help="The most motions to draw; a batch's first ones.",
)
@click.option(
    "--font",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Font for scripts that the system has none for.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the pictures. [default: preview/ beside the batch's motions]",
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

    JOB is an id, or batch/row as in `night/wave`; a BATCH means all of it that is done. Without
    --strip, --gif or --sheet all are drawn, the sheet where there is more than one motion.
    Left limbs are orange, right limbs blue; a line of the grid is every half metre. Ends with 1
    when a motion could not be read; the others are drawn.
    """
    from worker.cli.written import OutputReport
    from worker.results.selection import Chosen, Folders

    every = not (strip or gif or sheet)
    lettering = _lettering(font)
    written = OutputReport("hymo.preview/1", as_json)
    with app.store() as store:
        chosen = Chosen(store, names)
        studio = Studio(
            folders=Folders(store, out, "preview"),
            lettering=lettering,
            written=written,
            strip=strip or every,
            gif=gif or every,
            sheet=sheet or (every and chosen.most > 1),
        )
        for job in _first(chosen, limit):
            studio.draw(job)
        studio.draw_sheets()
    say_missing(lettering)
    return written.end(chosen.undone)


def _lettering(font: Path | None) -> Lettering:
    from hymotion.picture import Lettering

    try:
        return Lettering(font)
    except OSError as error:
        raise click.BadParameter(f"{font}: no font: {error}", param_hint="--font") from error


def say_missing(lettering: Lettering) -> None:
    """Name characters that came out as boxes; a batch of Chinese prompts has hundreds."""
    if lettering.missing:
        lacking = sorted(lettering.missing)
        some = clean(" ".join(lacking[:MISSING]))
        more = f" and {len(lacking) - MISSING} more characters" * (len(lacking) > MISSING)
        note(f"note: no font here has {some}{more}: name one that does with --font")


def _first(chosen: Chosen, limit: int) -> Iterator[JobRow]:
    """The first jobs, and a word if there are more."""
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
class Studio:
    """Draws jobs one by one, and at the end the sheets.

    Args:
        strip, gif, sheet: what to draw.
    """

    folders: Folders
    lettering: Lettering
    written: OutputReport
    strip: bool
    gif: bool
    sheet: bool
    _drawn: dict[str, list[Entry]] = field(default_factory=dict)

    def draw(self, job: JobRow) -> None:
        """Draw a job's own pictures, or tell that its motion could not be read."""
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
            with output(path) as part:
                draw_strip(motion, caption, self.lettering).save(part, format="PNG")
            self.written.add(path, job=job.id, kind="strip")
        if self.gif:
            path = self.folders.of_job(job, ".gif").absolute()
            with output(path) as part, part.open("wb") as file:
                write_gif(motion, file, caption, self.lettering)
            self.written.add(path, job=job.id, kind="gif")
        if self.sheet:
            self._drawn.setdefault(job.batch, []).append(Entry(motion, caption))

    def draw_sheets(self) -> None:
        """Draw a sheet of each batch, more where one is full."""
        from hymotion.picture import MOST, draw_sheet
        from jobs.artifacts.atomic import output

        for batch, entries in self._drawn.items():
            pages = [entries[start : start + MOST] for start in range(0, len(entries), MOST)]
            for number, page in enumerate(pages, start=1):
                path = self.folders.of_batch(batch) / f"{batch}_{_page_name(number)}.png"
                heading = f"batch {batch}" + (f", page {number} of {len(pages)}" * (len(pages) > 1))
                with output(path.absolute()) as part:
                    draw_sheet(heading, page, self.lettering).save(part, format="PNG")
                self.written.add(path.absolute(), batch=batch, kind="sheet")


def _page_name(number: int) -> str:
    return "sheet" if number == 1 else f"sheet{number}"
