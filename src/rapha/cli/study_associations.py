"""`rapha study associations`: the table of a GWAS, out of the folder that `rapha study fetch` wrote."""

from pathlib import Path
from typing import Annotated

import typer

TABLE_FILE = "associations.tsv"


def associations(
    folder: Annotated[Path, typer.Argument(help="The folder of the study.")],
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Where to write the table; associations.tsv in the folder, if not given."),
    ] = None,
) -> None:
    """Of each variant of a GWAS effect, standard error and p-value, as GWAS-SSF; once its receipts are verified.

    Example: rapha study associations models/gwas-ldl
    """
    from rapha.errors import ConfigurationError
    from rapha.sdk.load import verified

    study, weights = verified(folder)
    try:
        from rapha.sdk.associations import SETTLED, associations, table
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the table needs {error.name}, which is not installed: pip install 'rapha[train]'"
        ) from None
    found = associations(study, weights)
    place = to or folder / TABLE_FILE
    try:
        place.write_text(table(found), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{place} cannot be written: {error.strerror}") from None
    typer.echo(f"{place}: {len(found.found):,} variants")
    for reason, count in found.without.items():
        typer.echo(f"without a result: {count:,}, {reason}")
    for number, component in enumerate(found.components, 1):
        end = (
            "" if component.unsettled <= SETTLED else ", which had not settled: ask for more steps, or fewer components"
        )
        typer.echo(f"component {number}: {100 * component.share:.2g} % of the variance{end}")
    number, fewer = found.found_from
    if fewer:
        typer.echo(
            f"components from {number:,} variants, of which {fewer:,} are not known of {study.privacy.min_cohort:,} patients or more: a hospital that has "
            "too few copies of a variant does not tell of it, and its patients count as average there"
        )
    for best in sorted(found.found, key=lambda one: one.p_value)[:3]:
        typer.echo(f"{best.variant}  effect {best.beta:.3g}  p {best.p_value:.2g}")
