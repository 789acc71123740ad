"""`rapha node voucher`: a hospital's word that its receipt is for a deposit. Needs no wallet and no network."""

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the node's home folder")]


def voucher(
    home: Folder,
    deposit: Annotated[Path, typer.Argument(metavar="DEPOSIT", help="the deposit's file, as the funder gives it out")],
    run: Annotated[str, typer.Option("--run", help="the run that is paid for (its dispatch)")],
    custodian: Annotated[
        str, typer.Option("--custodian", help="your own account on the chain: the deposit must pay it, and no other")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="where to write the voucher")],
) -> None:
    """Sign that this node's receipt is for a deposit that pays this hospital what the study offers. Anybody may present it.

    Example: rapha node voucher /srv/rapha deposit.json --run d-4f2a --custodian 0x71c7... -o voucher.json
    """
    from rapha.cli.escrow_files import small_file, write_new
    from rapha.clock import utc_now
    from rapha.node.configuration import Home
    from rapha.node.register import Register
    from rapha.node.vouching import vouch_for
    from rapha.proof.anchor.files import read_address
    from rapha.proof.escrow.deposit import read_deposit

    opened = Home(home)
    signed = vouch_for(
        opened, Register(opened.database, utc_now), read_deposit(small_file(deposit)), run, read_address(custodian)
    )
    write_new(output, signed.as_bytes())
    typer.echo(f"{output}: {signed.deposit.amount} wei, the first share to {signed.deposit.payees[0].account}")
    typer.echo("give it to whoever presents it: `rapha escrow present`, once the log is anchored")
