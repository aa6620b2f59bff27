"""`hymo export`: writes motions in the formats and conventions of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobs.cli.context import App, pass_app
from jobs.cli.options.filters import Words
from jobs.cli.render.tables import note
from jobs.domain.spec import FORMATS
from worker.errors import WorkerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hymotion.export import ExportOptions
    from jobs.store.history.jobrow import JobRow
    from worker.cli.written import OutputReport
    from worker.results.selection import Folders

RATES = ("24", "30", "60")
NAMES = ("own", "smplh", "mixamo", "hik")


@click.command()
@click.argument("names", metavar="JOB|BATCH...", nargs=-1, required=True)
@click.option(
    "--format",
    "formats",
    type=Words(FORMATS),
    default="bvh,glb",
    show_default=True,
    metavar="LIST",
    help=f"Comma-separated formats out of {', '.join(FORMATS)}.",
)
@click.option("--fps", type=click.Choice(RATES), help="Frames per second. [default: 30]")
@click.option("--in-place", is_flag=True, help="Keep the pelvis over the origin.")
@click.option(
    "--up", type=click.Choice(("y", "z")), default="y", show_default=True, help="Vertical axis."
)
@click.option(
    "--scale",
    type=click.Choice(("cm", "m")),
    help="Unit of length. [default: cm in bvh, m in glb and npz]",
)
@click.option(
    "--names",
    "joints",
    type=click.Choice(NAMES),
    default="own",
    show_default=True,
    help="Naming of joints: HyMo's own, SMPL-H, Mixamo or HumanIK.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the files. [default: export/ beside the batch's motions]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def export(
    app: App,
    /,
    *,
    names: tuple[str, ...],
    formats: tuple[str, ...],
    fps: str | None,
    in_place: bool,
    up: str,
    scale: str | None,
    joints: str,
    out: Path | None,
    as_json: bool,
) -> int:
    """Write motions in the formats and conventions of other programs.

    JOB is an id, or batch/row as in `night/wave`; a BATCH stands for all its finished jobs. Files
    have the names of the motions, replace existing files and are written atomically.
    docs/formats.md explains the options for each format. Exits with 1 if a motion could not be
    read; the others are written.
    """
    from hymotion.export import ExportOptions
    from worker.cli.written import OutputReport
    from worker.results.selection import Chosen, Folders

    options = ExportOptions(
        fps=None if fps is None else int(fps), in_place=in_place, up=up, scale=scale, names=joints
    )
    if "glb" in formats and (up == "z" or scale == "cm"):
        note("note: glTF is defined in metres with Y up; viewers will show this .glb as if it were")
    written = OutputReport("hymo.export/1", as_json)
    with app.store() as store:
        chosen = Chosen(store, names)
        folders = Folders(store, out, "export")
        for job in chosen.jobs():
            _write(job, folders, tuple(dict.fromkeys(formats)), options, written)
    return written.end(chosen.undone)


def _write(
    job: JobRow,
    folders: Folders,
    formats: Sequence[str],
    options: ExportOptions,
    written: OutputReport,
) -> None:
    """Write a job's files, or report that its motion could not be read."""
    from hymotion.errors import ExportError
    from hymotion.export import FORMATS as WRITERS
    from jobs.artifacts.atomic import output
    from worker.results.reading import NoMotionError, read_motion

    try:
        recording = read_motion(job)
    except NoMotionError as error:
        written.miss(error)
        return
    for name in formats:
        form = WRITERS[name]
        final = folders.of_job(job, form.extension).absolute()
        try:
            with output(final) as part:
                form.write(recording.motion, part, recording.metadata, options, new=True)
        except ExportError as error:
            raise WorkerError(f"job {job.id}: {final}: {error}") from error
        written.add(final, job=job.id, format=name)
