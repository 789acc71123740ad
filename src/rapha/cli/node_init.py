"""`rapha node init`: a home, and the introduction to the hub."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]
UglyOption = Annotated[
    bool,
    typer.Option(
        "--i-accept-that-code-can-reach-this-machine",
        help="run workloads without isolation, where the rules say the same words; receipts will say so",
    ),
]


def init(
    home: Folder,
    hub: Annotated[str, typer.Option(help="the hub's URL")],
    code: Annotated[str, typer.Option(help="the one-time code from `rapha hub enrol`")],
    site: Annotated[str, typer.Option(help="short name: lower-case letters, digits, hyphens")],
    name: Annotated[str, typer.Option(help="full name, as researchers see it")] = "",
    ca: Annotated[str | None, typer.Option(help="PEM file of the hub's own certificate authority")] = None,
    certificate: Annotated[
        str | None, typer.Option(help="PEM file of this node's certificate and its key, where the hub asks for one")
    ] = None,
    proxy: Annotated[str | None, typer.Option(help="the way out of the hospital, http://host:port")] = None,
    ugly: UglyOption = False,
) -> None:
    """Make a home, with keys and default rules, and enrol it at a hub. The hub's public log is kept from then on, taken at its word this once.

    Example: rapha node init /srv/rapha --hub https://hub.example --code 7K2M-... --site st-anna --name "St Anna"
    """
    from rapha.cli.node_public_log import pinned_in_words
    from rapha.node.enrolment import make_home

    words = {"site": site, "name": name or site, "hub_url": hub, "code": code}
    made = make_home(home, **words, ca=ca, certificate=certificate, proxy=proxy, isolate=not ugly)
    typer.echo(
        f"{made.site} is enrolled at {made.hub}. Read {home / 'rules.yaml'}, then `rapha node ingest {home} ...`"
    )
    typer.echo(pinned_in_words(home))
