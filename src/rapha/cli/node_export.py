"""`rapha node export`: the timeline in another form, for the hospital itself."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="a new folder, on this machine")],
    steward: Annotated[str, typer.Option("--steward", help="who writes rows: lower-case letters, digits, hyphens")],
) -> None:
    """Write the timeline as MEDS 0.4.1, for the hospital's own use: rows of patients, which the agent never sends.

    Patients who opted out are not in it. The audit log keeps who wrote it.

    Example: rapha node export /srv/rapha /srv/meds --steward maria-lopez
    """
    from rapha.clock import utc_now
    from rapha.node.approvals import check_steward_name
    from rapha.node.configuration import Home
    from rapha.node.meds_export import export_meds
    from rapha.node.register import Register
    from rapha.timeline.reader import open_timeline

    opened = Home(home)
    register = Register(opened.database, utc_now)
    by = check_steward_name(steward)
    timeline = open_timeline(opened.timeline)
    register.note("export.begun", None, steward=by, timeline=timeline.digest)
    report = export_meds(timeline, folder, opened.configuration.site, utc_now)
    register.note("export.written", None, steward=by, timeline=timeline.digest)
    typer.echo(f"{folder}: {report.in_words()}")
    typer.echo("These are rows of patients: keep them as you keep the timeline.")
