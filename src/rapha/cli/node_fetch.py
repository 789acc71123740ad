"""`rapha node fetch`: what a FHIR server or an archive of images holds, into a folder for `rapha node ingest`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def fetch(
    home: Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")],
    server: Annotated[
        Path, typer.Argument(metavar="SERVER", help="the server file (YAML); docs/fhir-server.md, docs/pacs.md")
    ],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="the folder for what comes, empty the first time")],
) -> None:
    """Bring a FHIR server's data here by bulk export (`$export`), or an archive's images (`format: dicomweb` or `dimse`).

    Run it again after a crash and it goes on; later it brings only what is new. Then read the folder with
    `rapha node ingest HOME MAPPING DATA`.

    Example: rapha node fetch /srv/rapha clinic.server.yaml /data/clinic
    """
    from rapha.node.configuration import Home
    from rapha.timeline.mapping_file import read_format

    opened = Home(home)
    match read_format(server):
        case "dicomweb" | "dimse" as word:
            _images(server, data, word)
        case _:
            _export(opened.export, server, data)


def _images(server: Path, data: Path, word: str) -> None:
    from rapha.clock import utc_now
    from rapha.errors import Unreachable
    from rapha.sources.pacs import DimseFile, WebFile, fetch
    from rapha.sources.pacs.archive import Archive
    from rapha.sources.pacs.dimse import Dimse
    from rapha.sources.pacs.web import Web
    from rapha.timeline.mapping_file import read_mapping

    asked = read_mapping(server, WebFile) if word == "dicomweb" else read_mapping(server, DimseFile)
    archive: Archive = Web(asked) if isinstance(asked, WebFile) else Dimse(asked)
    got = fetch(archive, asked.days, asked.modalities, data, utc_now().date(), lambda what: typer.echo(what, err=True))
    typer.echo(f"{got.series} series with {got.images} images brought, {got.kept} lay in {data} already")
    if got.failed:
        raise Unreachable(f"{got.failed} series did not come whole: run this again, or ask whoever runs the archive")


def _export(memory: Callable[[str], Path], server: Path, data: Path) -> None:
    import time

    from rapha.clock import utc_now
    from rapha.sources.fhir_server import ServerFile
    from rapha.sources.fhir_server import fetch as bring
    from rapha.timeline.mapping_file import read_mapping

    asked = read_mapping(server, ServerFile)
    got = bring(asked, data, memory(asked.source), utc_now, time.sleep, lambda what: typer.echo(what, err=True))
    since = f"changed since {got.since}" if got.since else "everything"
    typer.echo(f"{got.files} files ({since}) and {got.deletions} of deletions lie in {got.folder}")
    if got.errors:
        typer.echo(f"the server could not export all: it says why in {got.errors} files there, named error-...")
    if not got.ended:
        typer.echo("the server did not confirm that it let the export go")
