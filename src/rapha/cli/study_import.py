"""`rapha study import`: a cohort of another language as a study to go on from."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Write a study from an ACES task or an OHDSI cohort; what has no exact translation is refused.",
)
Out = Annotated[
    Path, typer.Option("-o", "--out", help="The study file to write; must not be there.", show_default=False)
]
Unobserved = Annotated[
    Literal["exclude", "censor"] | None,
    typer.Option("--unobserved", help="Who is not watched to the end of the window."),
]
Competing = Annotated[
    Literal["death", "none"] | None, typer.Option("--competing", help="What becomes of who dies first.")
]


@app.command()
def aces(
    file: Annotated[Path, typer.Argument(help="The task, a YAML file.", show_default=False)],
    out: Out,
    unobserved: Unobserved = None,
    competing: Competing = None,
    codes: Annotated[
        Path | None, typer.Option("--codes", help="The data's codes: one a line, or metadata/codes.parquet.")
    ] = None,
    system: Annotated[str, typer.Option("--system", help="What hospitals call the system of the codes.")] = "MEDS",
    split: Annotated[str, typer.Option("--split", help="A code's system stands before the first of these in it.")] = "",
    paired: Annotated[bool, typer.Option("--paired", help="Each index event follows a trigger of its own.")] = False,
    no_ties: Annotated[
        bool, typer.Option("--no-ties", help="No bounding event falls on the moment it is looked for from.")
    ] = False,
    and_on_one_row: Annotated[
        bool, typer.Option("--and-on-one-row", help="Take `and(...)` for one row that meets all.")
    ] = False,
) -> None:
    """Write a study from an ACES task.

    Example: rapha study import aces readmission.yaml -o study.yaml --unobserved exclude --competing death --paired --no-ties
    """
    from rapha.sdk.importers import AcesChoices, import_aces

    known = _codes(codes) if codes else None
    choices = AcesChoices(unobserved, competing, system, split, known, and_on_one_row, paired, no_ties)
    _write(out, import_aces(file, choices))


@app.command()
def circe(
    file: Annotated[Path, typer.Argument(help="The cohort, a JSON file as ATLAS exports it.", show_default=False)],
    out: Out,
    outcome: Annotated[str | None, typer.Option("--outcome", help="The number of a concept set, or death.")] = None,
    during: Annotated[str | None, typer.Option("--during", help="How long from the index, such as '1 year'.")] = None,
    unobserved: Unobserved = None,
    competing: Competing = None,
    dates: Annotated[bool, typer.Option("--dates", help="The CDM has dates without times of day.")] = False,
    one_period: Annotated[
        bool, typer.Option("--one-period", help="One period of observation each, and nothing outside of it.")
    ] = False,
    completed_years: Annotated[bool, typer.Option("--completed-years", help="Take ages for completed years.")] = False,
    entry_only: Annotated[
        bool, typer.Option("--entry-only", help="Leave aside when a patient leaves the cohort.")
    ] = False,
) -> None:
    """Write a study from an OHDSI Circe cohort.

    Example: rapha study import circe cohort.json -o study.yaml --outcome death --during '1 year' --unobserved exclude --dates
    """
    from rapha.sdk.importers import CirceChoices, import_circe

    choices = CirceChoices(outcome, during, unobserved, competing, dates, one_period, completed_years, entry_only)
    _write(out, import_circe(file, choices))


def _codes(path: Path) -> tuple[str, ...]:
    from rapha.errors import StudyError

    try:
        if path.suffix != ".parquet":
            return tuple(filter(None, (line.strip() for line in path.read_text(encoding="utf-8").splitlines())))
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return tuple(filter(None, pq.read_table(path, columns=["code"])["code"].to_pylist()))
        except pa.ArrowException:
            raise StudyError(f"{path} has no column `code`, or is damaged") from None
    except ImportError:
        raise StudyError(
            "reading Parquet needs `pip install 'rapha[node]'`; or give the codes as text, one a line"
        ) from None
    except (OSError, UnicodeDecodeError):
        raise StudyError(f"{path} cannot be read") from None


def _write(path: Path, text: str) -> None:
    from rapha.errors import Conflict, StudyError

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Conflict(f"{path} is already there; choose another name or move it away") from None
    except OSError as error:
        raise StudyError(f"{path} cannot be written: {error.strerror}") from None
    typer.echo(f"{path} is written. Read its comments, complete it, then: rapha study check {path}")
