"""`rapha view`: FHIR resources as tables."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, help="Flatten FHIR resources with a SQL-on-FHIR view.")


@app.callback()
def _group() -> None:
    """Flatten FHIR resources with a SQL-on-FHIR view."""


@app.command()
def run(
    view: Annotated[Path, typer.Argument(help="the ViewDefinition (JSON); docs/views.md says what is supported")],
    folder: Annotated[Path, typer.Argument(help="the folder with NDJSON files or bundles")],
    out: Annotated[Path, typer.Option(help="the Parquet file to write; replaced if it is there")],
) -> None:
    """Write the rows of a view as Parquet, for a mapping to ingest. What is no resource is set aside, by file and line.

    Example: rapha view run labs.view.json /data/fhir --out /data/flat/labs.parquet
    """
    from rapha.sources.views import read_view, run_view

    report = run_view(read_view(view), folder, out)
    typer.echo(f"{out}: {report.rows:,} rows of {report.read:,} resources or bundles")
    for file, line, reason in report.set_aside:
        typer.echo(f"  set aside: {file}:{line} {reason}", err=True)
