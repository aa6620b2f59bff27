"""`hymo doctor`: finds problems of this machine and says how to fix them."""

from __future__ import annotations

import click

from jobs.cli.context import App, pass_app


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_app
def doctor(app: App, as_json: bool) -> int:
    """Check this machine: folders, database, broker, devices, torch, models, workers.

    It also checks for misspelt settings, the library of an imported text encoder, and disk space
    for encoded texts. Exits with 1 if a check fails. Nothing is changed.
    """
    from jobs.cli.render.tables import print_json, say
    from worker.doctor.checks import examine
    from worker.doctor.finding import Health

    findings = list(examine(app.settings(), app.environ))
    if as_json:
        document = [
            {"check": f.check, "health": f.health, "found": f.found, "mend": f.mend}
            for f in findings
        ]
        print_json({"schema": "hymo.doctor/1", "findings": document})
    else:
        for finding in findings:
            say(f"{finding.health:<8} {finding.check:<9} {finding.found}")
            if finding.mend:
                say(f"{'':<18} → {finding.mend}")
    return int(any(finding.health is Health.BAD for finding in findings))
