"""`rapha witness`: see that a log never goes back, and say so."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, no_args_is_help=True, help="See that a log never goes back: set up, run.")

Home = Annotated[Path, typer.Argument(metavar="HOME", help="the witness's home folder", show_default=False)]


@app.command()
def init(
    home: Home,
    logs: Annotated[Path, typer.Option("--logs", help="a keys.json with the logs to see (a hub's `/api/v1/keys`)")],
    name: Annotated[str, typer.Option(help="its name in every cosignature, for ever: witness.example/east, say")],
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on; 0 takes any free one")] = 8500,
) -> None:
    """Make a witness's home: settings and a key. Hand HOME/keys.json to the hub, and to whoever verifies receipts.

    Example: rapha witness init /srv/witness --logs keys.json --name witness.example/east
    """
    from pydantic import ValidationError

    from rapha.errors import ConfigurationError
    from rapha.sdk.folder import read_keys
    from rapha.witness.home import WitnessSettings, initialise

    listed = [key for key in read_keys(logs).keys if key.role == "log"]
    known = tuple(key for key in listed if key.window is None or key.window.end is None)  # else whoever stole it
    try:
        settings = WitnessSettings(name=name, host=host, port=port, logs=known)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors()}
        rules = {"name": "1 to 200 characters, no white space and no +", "host": "an address", "port": "0 to 65535"}
        said = "; ".join(f"--{key} is {rule}" for key, rule in rules.items() if key in wrong)
        raise ConfigurationError(said or f"{logs} names more than a thousand logs") from None
    trusted, _ = initialise(home, settings)
    typer.echo(f"{name}, key {trusted.keyid[:16]}, sees {', '.join(log.owner for log in known)}")
    typer.echo(f"start it with `rapha witness run {home}`; hand out {home / 'keys.json'}")


@app.command()
def run(home: Home) -> None:
    """Run the witness. Stops cleanly on Ctrl-C or SIGTERM.

    Example: rapha witness run /srv/witness
    """
    from rapha.cli.log import log_to_stderr
    from rapha.clock import utc_now
    from rapha.errors import ConfigurationError
    from rapha.witness.home import Witness
    from rapha.witness.server import server_of

    log_to_stderr()
    witness = Witness(home, utc_now)
    settings = witness.settings
    try:
        server = server_of(witness)
    except OSError as error:
        witness.close()
        raise ConfigurationError(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}") from error
    # From a thread of its own: `shutdown` waits for the loop that the handler has interrupted.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    typer.echo(f"{settings.name} listens on http://{settings.host}:{server.server_address[1]}")
    try:
        server.serve_forever()
    finally:
        server.server_close()
        witness.close()
