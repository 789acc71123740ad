"""`rapha node preview`: pictures of what was ingested, for the steward's own eyes."""

from pathlib import Path
from typing import Annotated

import typer


def preview(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="a new folder, on this machine")],
    steward: Annotated[str, typer.Option("--steward", help="who looks: lower-case letters, digits, hyphens")],
    at_most: Annotated[int, typer.Option("--at-most", min=1, max=1000, help="how many volumes")] = 24,
) -> None:
    """Draw the middle slice of some volumes, to see whether they look right and whether a name is written into them.

    They show patients: the agent never sends them. Patients who opted out are not among them. The audit log keeps who looked.

    Example: rapha node preview /srv/rapha /srv/previews --steward maria-lopez
    """
    from rapha.clock import utc_now
    from rapha.node.approvals import check_steward_name
    from rapha.node.configuration import Home
    from rapha.node.previews import write_previews
    from rapha.node.register import Register
    from rapha.timeline.reader import open_timeline

    opened = Home(home)
    by, timeline = check_steward_name(steward), open_timeline(opened.timeline)
    Register(opened.database, utc_now).note("preview.begun", None, steward=by, timeline=timeline.digest)
    count = write_previews(timeline, folder, at_most)
    typer.echo(f"{folder}: {count} pictures of patients. Look at them, and delete them.")
