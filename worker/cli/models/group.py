"""`hymo models`: what models there are, importing the published one, checking and removing it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jobs.cli.context import App, pass_app
from jobs.cli.faults import ExitCode

PARTS = ("full", "lite", "text")


@click.group()
def models() -> None:
    """List, import, check and remove models."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def list_(app: App, /, *, as_json: bool) -> None:
    """List the models that jobs may name, and whether this machine can load them."""
    from worker.cli.models.view import print_models

    print_models(app.settings().home, as_json=as_json)


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def show(app: App, /, *, name: str, as_json: bool) -> None:
    """Show everything that is known of a model: revisions, sizes, sources, licences."""
    from worker.cli.models.view import print_model

    print_model(app.settings().home, name, as_json=as_json)


#: Checked by the import, which says more of what is wrong than that it is not there.
FOLDER = click.Path(path_type=Path)


@models.command("import")
@click.option("--full", type=FOLDER, metavar="DIR", help="Folder of HY-Motion 1.0.")
@click.option("--lite", type=FOLDER, metavar="DIR", help="Folder of HY-Motion 1.0 Lite.")
@click.option(
    "--upstream",
    type=FOLDER,
    metavar="REPO",
    help="Clone of the published repository, for its system message.",
)
@click.option("--qwen", type=FOLDER, metavar="DIR", help="Folder of Qwen3-8B.")
@click.option("--clip", type=FOLDER, metavar="DIR", help="Folder of CLIP ViT-L/14.")
@click.option(
    "--link", is_flag=True, help="Link to files that need no conversion instead of copying them."
)
@click.option(
    "--text-revision",
    metavar="REVISION",
    help="Of the text encoder on another machine, where this one gets none.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and show the plan; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def import_(app: App, /, *, dry_run: bool, as_json: bool, **wanted: Any) -> None:
    """Import the published HY-Motion 1.0 from folders that you downloaded.

    Any of the two modes and the text encoder, which is --upstream, --qwen and --clip together; the
    rest may come later. Folders may be plain or of the hub client's cache (models--…). Nothing is
    downloaded, and nothing in the files is run. An import that was cut goes on where it stopped.
    """
    from hymotion.importing import Wanted
    from worker.cli.models.importing import run_import

    missing = [f"--{name}" for name in ("upstream", "qwen", "clip") if wanted[name] is None]
    if 0 < len(missing) < 3:
        raise click.UsageError(
            f"the text encoder is --upstream, --qwen and --clip together: {missing[0]} is missing"
        )
    if missing and all(wanted[name] is None for name in ("full", "lite", "text_revision")):
        raise click.UsageError("name what to import: --full, --lite, or the text encoder")
    run_import(app.settings().home, Wanted(**wanted), dry_run=dry_run, as_json=as_json)


@models.command()
@click.argument("name")
@click.option("--only", type=click.Choice(PARTS), help="Remove this part and keep the others.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def remove(app: App, /, *, name: str, only: str | None, yes: bool, as_json: bool) -> None:
    """Remove an imported model, or what an unfinished import left of it.

    Files that were linked to stay where they are. Workers that have loaded the model go on.
    """
    from worker.cli.models.remove import run_remove

    run_remove(app.settings().home, name, only, yes=yes, as_json=as_json)


@models.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def verify(app: App, /, *, name: str, as_json: bool) -> int:
    """Hash every file of an imported model again; exit 1 naming those that changed."""
    from worker.cli.models.verify import run_verify

    sound = run_verify(app.settings().home, name, as_json=as_json)
    return ExitCode.OK if sound else ExitCode.ERROR
