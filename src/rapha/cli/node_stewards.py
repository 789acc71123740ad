"""`rapha node steward-key`, and what `approve` and `pending` need to know of stewards."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapha.node.configuration import Home
    from rapha.node.register import Entry, Register
    from rapha.proof.keys import PrivateKey


def steward_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="where to write the key; the steward keeps it")],
    steward: Annotated[str, typer.Option("--steward", help="short name: lower-case letters, digits, hyphens")],
    name: Annotated[str, typer.Option("--name", help="full name, as a hub would write it")],
) -> None:
    """Make a steward's key, locked with a passphrase, and print the line that names them in the rules.

    Example: rapha node steward-key ~/steward.pem --steward maria-lopez --name "María López"
    """
    from rapha.node.approvals import check_steward_name
    from rapha.node.steward_keys import make_key
    from rapha.policy.stewards import Steward

    check_steward_name(steward)
    passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True)
    made = Steward(steward=steward, name=name, key=make_key(file, passphrase))
    typer.echo(f'    - {{steward: {made.steward}, name: "{made.name}", key: {made.key}}}')


def unlocked(key: Path) -> "PrivateKey":
    """A steward's key, once they have said its passphrase. Raises ConfigurationError."""
    from rapha.node.steward_keys import open_key

    return open_key(key, typer.prompt(f"Passphrase of {key.name}", hide_input=True, err=True))


def signed_so_far(home: "Home", register: "Register", entry: "Entry") -> str:
    """Who has signed a study that waits, where the rules name the stewards: a line, or nothing."""
    from rapha.clock import utc_now
    from rapha.node.approvals import Approvals

    approvals = Approvals(home.rules, home.configuration.site_id, True, (), utc_now)
    stewards = approvals.rules().stewards
    if stewards is None:
        return ""
    counting, missing = approvals.signers(entry, register.signatures(entry.dispatch.id))
    who = ", ".join(one.steward for one in counting) or "nobody"
    return f"signed by {who}; {missing} more needed\n  "
