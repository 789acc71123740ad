"""`rapha hub`: the control plane."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from rapha.cli.hub_keys import finish_rotations_or_wait, revoke_key, revoke_own_key, rotate
from rapha.cli.hub_lock import lock_hub
from rapha.cli.hub_status import status

app = typer.Typer(
    add_completion=False, help="The control plane: it routes studies and carries weights; it never sees a row."
)
SWITCH_SECONDS = 0.0005
"""How long one thread may keep the others of a hub waiting: a request is a few short turns of several of them."""
Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the hub's home folder")]


@app.command()
def init(
    home: Folder,
    name: Annotated[str, typer.Option(help="short name; nodes sign their tokens for it")] = "hub",
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on; 0 takes any free one")] = 8400,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="a PostgreSQL for the hub's state; without it a file of its home")
    ] = None,
    blobs: Annotated[
        str | None, typer.Option(metavar="URL", help="a bucket of S3 for the weights; without it a folder of its home")
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(metavar="HOME", help="one more hub on the database and blobs of this one, with its keys"),
    ] = None,
) -> None:
    """Make a hub's home: settings, a signing key, an empty store.

    A PostgreSQL's password stands in HOME/database-password, the key of a bucket in HOME/blob-credentials.json (both chmod
    600), or where libpq and AWS's tools look for them.

    Example: rapha hub init /srv/hub --name trial-hub --database postgresql://rapha@db.example/rapha
    """
    from rapha.hub.configuration import initialise, initialise_beside, settings_of

    if beside:
        made = initialise_beside(home, beside, host, port)
    else:
        made = initialise(home, settings_of(name, host, port, database, blobs))
    typer.echo(f"{made.settings.name} lives in {made.home}; start it with `rapha hub run {home}`")


@app.command()
def run(home: Folder) -> None:
    """Run the hub. Stops cleanly on Ctrl-C or SIGTERM.

    Example: rapha hub run /srv/hub
    """
    import uvicorn

    from rapha.cli.hub_server import Announcing, in_uvicorns_words
    from rapha.cli.log import log_to_stderr
    from rapha.hub.app import create_app
    from rapha.hub.configuration import load

    log_to_stderr()
    sys.setswitchinterval(SWITCH_SECONDS)
    configuration = load(home)
    lock = lock_hub(configuration.lock)
    finish_rotations_or_wait(configuration)
    listener = _listen(configuration.settings.host, configuration.settings.port)
    try:
        application = create_app(configuration)
        tls = in_uvicorns_words(configuration.settings.tls)
        url = f"http{'s' if tls else ''}://{configuration.settings.host}:{listener.getsockname()[1]}"
        words = {"log_level": "warning", "access_log": False, "timeout_graceful_shutdown": 1, **tls}
        config = uvicorn.Config(application, **words)
        server = Announcing(config, home, url, application.state.hub.bell.close)
        signal.signal(signal.SIGTERM, server.handle_exit)
        server.run(sockets=[listener])
    finally:
        configuration.url_file.unlink(missing_ok=True)
        listener.close()
        lock.close()


@app.command()
def enrol(home: Folder, site: Annotated[str, typer.Argument(metavar="SITE", help="the site's short name")]) -> None:
    """Print a one-time code with which a hospital's node enrols. Good for a day.

    Example: rapha hub enrol /srv/hub st-anna
    """
    from rapha.hub.enrolment import new_code

    with _store(home) as store, store.changing() as change:
        typer.echo(new_code(change, site))


@app.command()
def token(
    home: Folder,
    researcher: Annotated[str, typer.Argument(metavar="RESEARCHER", help="the researcher's name")] = "",
    scope: Annotated[list[str] | None, typer.Option(help="study:write, study:read, sites:read; all by default")] = None,
    revoke: Annotated[str, typer.Option(help="end the token with this id")] = "",
    show: Annotated[bool, typer.Option("--list", help="list all tokens, without their secrets")] = False,
) -> None:
    """Make, list or revoke researchers' tokens. A token is shown once.

    Example: rapha hub token /srv/hub "Ada Lovelace"
    """
    from rapha.errors import ConfigurationError
    from rapha.hub import tokens

    with _store(home) as store:
        if show:
            with store.reading() as session:
                for row in tokens.tokens(session):
                    state = "revoked" if row.revoked_at else "good"
                    typer.echo(f"{row.id}  {state:8} {row.researcher}  {row.scopes}")
        elif revoke:
            with store.changing() as change:
                tokens.revoke(change, revoke)
            typer.echo(f"{revoke} is revoked")
        elif researcher:
            with store.changing() as change:
                typer.echo(tokens.new_token(change, researcher, scope or tokens.SCOPES))
        else:
            raise ConfigurationError("name a researcher, or say --list or --revoke ID")


app.command("status")(status)
app.command("revoke-key")(revoke_key)
app.command("revoke-own-key")(revoke_own_key)
app.command("rotate")(rotate)


@app.command()
def witness(
    home: Folder,
    url: Annotated[str, typer.Argument(metavar="URL", help="where the witness listens")],
    keys: Annotated[Path, typer.Argument(metavar="KEYS", help="the keys.json that the witness handed out")],
) -> None:
    """Ask a witness to cosign this hub's log, from the next start on. Twice for one witness changes its address.

    Example: rapha hub witness /srv/hub https://witness.example keys-of-the-witness.json
    """
    from pydantic import ValidationError

    from rapha.errors import ConfigurationError
    from rapha.hub.configuration import with_witness
    from rapha.hub.witnesses import WitnessAddress
    from rapha.sdk.folder import read_keys

    found = read_keys(keys).keys
    mine = [key for key in found if key.role == "witness"]
    second = [key for key in found if key.role == "witness-ml-dsa-44" and mine and key.owner == mine[0].owner]
    wrong = ConfigurationError("name an http or https address, and a keys.json that holds exactly one witness")
    if len(mine) != 1:
        raise wrong
    try:
        address = WitnessAddress(url=url, key=mine[0], second=second[0] if second else None)
    except ValidationError:  # of the address: the keys have been read
        raise wrong from None
    settings = with_witness(home, address)
    typer.echo(f"witnesses: {', '.join(known.key.owner for known in settings.witnesses)}; start the hub again")


def _store(home: Path):  # type: ignore[no-untyped-def]
    from contextlib import closing

    from rapha.clock import utc_now
    from rapha.hub.configuration import load
    from rapha.hub.notify import Bell
    from rapha.hub.store.database import open_beside

    return closing(open_beside(load(home).database, Bell(), utc_now))


def _listen(host: str, port: int) -> socket.socket:
    from rapha.errors import ConfigurationError

    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}") from error
