"""`rapha escrow`: a deposit for computing, from locking it to paying it out. Needs the extra `chain`; off until somebody types it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapha.hub.anchors.chain import Chain, Outcome
    from rapha.hub.anchors.escrow import EscrowClient
    from rapha.hub.anchors.settings import ChainKey
    from rapha.proof.keys import PublicKey
    from rapha.records.payment import Deposit

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Pay hospitals for computing, against receipts: lock, show, settle.",
)
DepositFile = Annotated[Path, typer.Argument(metavar="DEPOSIT", help="The deposit's file.", show_default=False)]
Settings = Annotated[
    Path, typer.Option("--chain", help="The chain's settings, a JSON file: see docs/escrow.md.", show_default=False)
]


@app.command()
def deploy(chain: Settings) -> None:
    """Put the escrow's contract on the chain, bound to the anchor's contract of the settings. Once for a network.

    Example: rapha escrow deploy --chain chain.json
    """
    from rapha.errors import ConfigurationError

    with _opened(chain) as (opened, key):
        from rapha.hub.anchors.client import deploy as make

        settings = opened.settings
        if settings.escrow:
            raise ConfigurationError(f"{chain} names the escrow {settings.escrow}: take it out to deploy another")
        anchor = opened.contract("RaphaAnchor", settings.contract).address
        address, outcome = make(opened, key, "RaphaEscrow", bytes.fromhex(anchor[2:]))
    typer.echo(f"{address} on chain {settings.chain_id}, for what is anchored in {settings.contract}")
    typer.echo(f'  {outcome.gas_used} gas, block {outcome.block}. Put "escrow": "{address}" into {chain}')


@app.command()
def lock(
    study: Annotated[Path, typer.Argument(help="The study, a YAML file with `payment`.", show_default=False)],
    site: Annotated[str, typer.Option("--site", help="The site that is to be paid.", show_default=False)],
    keys: Annotated[
        Path,
        typer.Option("--keys", help="Keys you had beforehand (a keys.json): the node's is in it.", show_default=False),
    ],
    custodian: Annotated[
        str, typer.Option("--custodian", help="The hospital's account, as it told you itself.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Where the deposit's file is, or is to be. Keep it.", show_default=False)
    ],
    chain: Settings,
) -> None:
    """Lock what a study offers one site. Run again with the same file, it goes on with the same deposit.

    Example: rapha escrow lock study.yaml --site st-anna --keys keys.json --custodian 0x71c7... --out st-anna.json --chain chain.json
    """
    from rapha.cli.escrow_files import small_file, write_new
    from rapha.proof.anchor.files import read_address
    from rapha.proof.escrow.deposit import check_deposit, deposit_of, read_deposit
    from rapha.sdk.study_file import read_study

    asked, node, account = read_study(study), _key_of(keys, site), read_address(custodian)
    with _opened(chain) as (opened, key):
        from rapha.hub.anchors.chain import address_of
        from rapha.hub.anchors.escrow import EscrowClient

        client = EscrowClient(opened)
        if out.exists():
            deposit = read_deposit(small_file(out))
        else:
            deposit = deposit_of(asked, address_of(key), account, node, secrets.token_bytes(32))
        check_deposit(deposit, asked, account, node)
        client.standing(deposit)
        write_new(out, deposit.as_bytes())
        _say("locked", client.lock(key, deposit))
        _show(client, deposit)


@app.command()
def show(deposit: DepositFile, chain: Settings) -> None:
    """Say where a deposit stands. Needs no key: a hospital looks here before it computes.

    Example: rapha escrow show st-anna.json --chain chain.json
    """
    with _chain(chain) as opened:
        from rapha.hub.anchors.escrow import EscrowClient

        _show(EscrowClient(opened), _read(deposit))


@app.command()
def present(
    voucher: Annotated[Path, typer.Argument(metavar="VOUCHER", help="The node's voucher.", show_default=False)],
    log: Annotated[
        Path, typer.Option("--log", help="The log's folder, HOME/log of a hub, or a copy.", show_default=False)
    ],
    chain: Settings,
) -> None:
    """Show the escrow a node's receipt, in the log and under an anchored root. Anybody may; it pays whom the terms name.

    Example: rapha escrow present voucher.json --log /srv/hub/log --chain chain.json
    """
    from rapha.cli.escrow_files import small_file
    from rapha.hub.anchors.whole import read_whole_log
    from rapha.proof.escrow.voucher import read_voucher

    said, whole = read_voucher(small_file(voucher)), read_whole_log(log)
    with _client(chain) as (client, key):
        _say("presented", client.present(key, said, whole))
        _show(client, said.deposit)


@app.command()
def dispute(deposit: DepositFile, chain: Settings) -> None:
    """The funder's objection to a receipt that was presented: the referee decides.

    Example: rapha escrow dispute st-anna.json --chain chain.json
    """
    with _client(chain) as (client, key):
        found = _read(deposit)
        _say("disputed", client.dispute(key, found))
        _show(client, found)


@app.command()
def rule(
    deposit: DepositFile,
    chain: Settings,
    pay: Annotated[
        bool, typer.Option("--pay/--give-back", help="Pay the site, or give it back to the funder.", show_default=False)
    ],
) -> None:
    """The referee's word on a dispute. Said once.

    Example: rapha escrow rule st-anna.json --pay --chain chain.json
    """
    with _client(chain) as (client, key):
        found = _read(deposit)
        _say("ruled", client.rule(key, found, pay))
        _show(client, found)


@app.command()
def settle(deposit: DepositFile, chain: Settings) -> None:
    """Credit the payees, once nobody can object any more. Anybody may.

    Example: rapha escrow settle st-anna.json --chain chain.json
    """
    with _client(chain) as (client, key):
        found = _read(deposit)
        _say("settled", client.settle(key, found))
        _show(client, found)


@app.command()
def refund(deposit: DepositFile, chain: Settings) -> None:
    """Credit the funder, after the deadline, where no receipt was presented. Anybody may.

    Example: rapha escrow refund st-anna.json --chain chain.json
    """
    with _client(chain) as (client, key):
        found = _read(deposit)
        _say("refunded", client.refund(key, found))
        _show(client, found)


@app.command()
def withdraw(
    chain: Settings,
    account: Annotated[
        str | None, typer.Option(help="Whose; your key's own by default. It is sent there and nowhere else.")
    ] = None,
) -> None:
    """Have an account sent what the escrow owes it.

    Example: rapha escrow withdraw --account 0x71c7... --chain chain.json
    """
    from rapha.proof.anchor.files import read_address

    named = read_address(account) if account else None
    with _client(chain) as (client, key):
        from rapha.hub.anchors.chain import address_of

        whose = named or address_of(key)
        sent, outcome = client.withdraw(key, whose)
        typer.echo(f"{whose}: {sent} wei sent" if outcome else f"{whose} is owed nothing")


@contextmanager
def _chain(path: Path) -> Iterator["Chain"]:
    from rapha.hub.anchors.chain import Chain
    from rapha.hub.anchors.settings import read_settings

    opened = Chain(read_settings(path))
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def _opened(path: Path) -> Iterator[tuple["Chain", "ChainKey"]]:
    """The chain and the key that signs. The key is read first: without one nothing is asked."""
    from rapha.hub.anchors.settings import read_key, read_settings

    key = read_key(read_settings(path), os.environ)
    with _chain(path) as opened:
        yield opened, key


@contextmanager
def _client(path: Path) -> Iterator[tuple["EscrowClient", "ChainKey"]]:
    with _opened(path) as (opened, key):
        from rapha.hub.anchors.escrow import EscrowClient

        yield EscrowClient(opened), key


def _read(path: Path) -> "Deposit":
    from rapha.cli.escrow_files import small_file
    from rapha.proof.escrow.deposit import read_deposit

    return read_deposit(small_file(path))


def _key_of(path: Path, site: str) -> "PublicKey":
    from rapha.errors import Unproven
    from rapha.proof.keys import public_from_pem
    from rapha.sdk.folder import read_keys

    of_site = [key for key in read_keys(path).keys if key.role == "node" and key.owner == site]
    mine = [key for key in of_site if key.window is None or (key.window.end is None and key.window.below is None)]
    if len(mine) != 1:
        raise Unproven(f"{path} does not name exactly one key of the site {site} that has not ended")
    return public_from_pem(mine[0].public_key)


def _say(what: str, outcome: "Outcome | None") -> None:
    typer.echo(f"{what} ({outcome.gas_used} gas, block {outcome.block})" if outcome else f"{what} before")


def _show(client: "EscrowClient", deposit: "Deposit") -> None:
    from rapha.proof.escrow.deposit import deposit_id
    from rapha.proof.escrow.steps import moment

    found = client.standing(deposit)
    typer.echo(f"deposit {deposit_id(deposit).hex()}: {deposit.amount} wei, {found.state}")
    typer.echo(f"  study {deposit.study}, a receipt can be presented until {moment(deposit.deadline)}")
    if found.state in ("presented", "disputed"):
        typer.echo(
            f"  {'the funder may dispute' if found.state == 'presented' else 'the referee may rule'} before {moment(found.until)}"
        )
    for payee in deposit.payees:
        typer.echo(f"  {payee.account}  {payee.parts / 100:g} %, owed {client.owed(payee.account)} wei in all")
