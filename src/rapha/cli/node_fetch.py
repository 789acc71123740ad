"""`rapha node fetch`: a FHIR server's bulk export into a folder for `rapha node ingest`."""

from pathlib import Path
from typing import Annotated

import typer


def fetch(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    server: Annotated[Path, typer.Argument(metavar="SERVER", help="the server file (YAML); docs/fhir-server.md")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="the folder for its exports, empty the first time")],
) -> None:
    """Bring a FHIR server's data here by bulk export (`$export`); later, only what has changed and what was deleted.

    Run it again after a crash and it goes on. Then read the folder with `rapha node ingest HOME MAPPING DATA`.

    Example: rapha node fetch /srv/rapha clinic.server.yaml /data/clinic
    """
    import time

    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.sources.fhir_server import ServerFile
    from rapha.sources.fhir_server import fetch as bring
    from rapha.timeline.mapping_file import read_mapping

    opened, asked = Home(home), read_mapping(server, ServerFile)
    got = bring(asked, data, opened.export(asked.source), utc_now, time.sleep, lambda what: typer.echo(what, err=True))
    since = f"changed since {got.since}" if got.since else "everything"
    typer.echo(f"{got.files} files ({since}) and {got.deletions} of deletions lie in {got.folder}")
    if got.errors:
        typer.echo(f"the server could not export all: it says why in {got.errors} files there, named error-...")
    if not got.ended:
        typer.echo("the server did not confirm that it let the export go")
