"""`rapha study profiles`: what the hospitals of a hub say they have, before a study is written."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rapha.records.site import SiteProfile


def profiles(
    site: Annotated[
        str | None, typer.Argument(help="One hospital, with its codes; all, a line each, if not given.")
    ] = None,
    *,
    hub: Annotated[str, typer.Option("--hub", envvar="RAPHA_HUB", help="Address of the hub.", show_default=False)],
    token: Annotated[str, typer.Option("--token", envvar="RAPHA_TOKEN", help="Your token.", show_default=False)],
    ca: Annotated[Path | None, typer.Option("--ca", help="Certificate authority of the hub (PEM).")] = None,
    find: Annotated[
        str | None, typer.Option("--find", help="Only codes with this in system or code, at every hospital.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every code, not the 60 of most patients.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The records themselves, as a JSON list.")] = False,
    croissant: Annotated[
        bool, typer.Option("--croissant", help="One hospital as Croissant 1.1 (JSON-LD) with DUO terms.")
    ] = False,
) -> None:
    """What each hospital of a hub says it has: patients, years, kinds of data, data use; suppressed and rounded.

    Example: rapha study profiles --find creatinine
    """
    from rapha.cli.profile_table import show_profile
    from rapha.errors import ConfigurationError
    from rapha.records.croissant import croissant_text
    from rapha.sdk.client import connect

    with connect(hub, token, ca=ca) as client:
        known = client.sites()
    found = [each for each in known if site in (None, each.site)]
    if site is not None and not found:
        raise ConfigurationError(
            f"no hospital {site[:60]!r} has sent a profile; `rapha study profiles` lists those that have"
        )
    if croissant and site is None:
        raise ConfigurationError("--croissant is of one hospital: rapha study profiles SITE --croissant")
    if croissant:
        typer.echo(croissant_text(found[0]))
    elif as_json:
        typer.echo(json.dumps([each.as_json() for each in found], indent=2))
    elif site is None and find is None:
        _tell(found)
    else:
        for each in found:
            show_profile(each, find, every=every)


def _tell(found: "Sequence[SiteProfile]") -> None:
    if not found:
        typer.echo("No hospital has sent a profile yet.")
        return
    table = Table("hospital", "patients", "years", "kinds of data", "data use", "codes", box=None, pad_edge=False)
    for each in found:
        years = f"{each.first_year}-{each.last_year}" if each.first_year else "-"
        cells = (each.site, str(each.patients), years, ", ".join(each.modalities), ", ".join(each.data_use) or "-")
        table.add_row(*(Text(cell) for cell in (*cells, str(len(each.coverage)))))
    Console().print(table)
    typer.echo("rapha study profiles SITE shows one with its codes; --find WORD looks for a code at all of them.")
