"""`rapha log deploy-anchor`, `anchor`, `prove-anchor`: a log's root on a public chain. Need the extra `chain`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli.output_file import writing

if TYPE_CHECKING:
    from rapha.hub.anchors.chain import Chain
    from rapha.hub.anchors.client import AnchorClient

Folder = Annotated[Path, typer.Argument(help="The log's folder: HOME/log of a hub, or a copy.", show_default=False)]
Settings = Annotated[
    Path, typer.Option("--chain", help="The chain's settings, a JSON file: see docs/anchor.md.", show_default=False)
]


def anchor(
    folder: Folder,
    chain: Settings,
    show: Annotated[bool, typer.Option("--show", help="Send nothing: say what the chain has of this log.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put this in the place of a transaction of yours that waits.")
    ] = False,
) -> None:
    """Write the log's newest root to the contract that the settings name, once, within their limits of gas and fee.

    Example: rapha log anchor /srv/hub/log --chain chain.json
    """
    from rapha.hub.anchors.settings import read_key, read_settings
    from rapha.hub.anchors.whole import check_same_log, read_whole_log

    log = read_whole_log(folder)
    key = None if show else read_key(read_settings(chain), os.environ)
    with _client(chain) as client:
        found = client.show(log.origin)
        check_same_log(log, found.anchors)
        if key:
            done = client.publish(key, log.origin, log.size, log.root, replace)
            cost = f"{done.outcome.gas_used} gas, block {done.outcome.block}" if done.outcome else "it stood already"
            typer.echo(f"{log.origin}: {log.size} entries, root {log.root.hex()}, anchored ({cost})")
            found = client.show(log.origin)
    for what, (size, root) in zip(("newest", "final"), found.anchors, strict=True):
        typer.echo(f"  {what:<7}{f'{size} entries, root {root.hex()}' if size else 'no anchor'}")


def prove_anchor(
    folder: Folder,
    chain: Settings,
    out: Annotated[Path, typer.Option("--out", help="Where to write the proof.", show_default=False)],
    size: Annotated[int | None, typer.Option(min=1, help="Of which size; the largest final one by default.")] = None,
    block: Annotated[int | None, typer.Option(min=0, help="The anchor's block, where it is old: no search.")] = None,
) -> None:
    """Write the proof of a final anchor, which `rapha log verify-anchor` checks offline. Needs no key. In HOME/anchors/ of a hub, its `/explore` shows it.

    Example: rapha log prove-anchor /srv/hub/log --chain chain.json --out anchor.json
    """
    from rapha.errors import Conflict
    from rapha.hub.anchors.whole import read_whole_log

    log = read_whole_log(folder)
    with _client(chain) as client:
        wanted = size or client.show(log.origin).final_size
        if not wanted:
            raise Conflict(f"nothing of {log.origin} is anchored in a block that is final: try again later")
        proof, block_hash = client.prove(log.origin, wanted, log.root_at(wanted), block)
    draft = out.with_name(f".{out.name}.draft")
    with writing(out):
        draft.write_bytes(proof.as_bytes())
        draft.replace(out)
    typer.echo(f"{out}: {log.origin} at {wanted} entries. This node of the chain says that its block is {block_hash};")
    typer.echo("a reader should have that hash from somewhere else, then:")
    typer.echo(f"  rapha log verify-anchor {out} --block-hash {block_hash} --contract {proof.contract}")


def deploy_anchor(
    chain: Settings,
    publisher: Annotated[
        str | None, typer.Option(help="The one account that may anchor, for good; your key's own by default.")
    ] = None,
) -> None:
    """Put the contract on the chain, once for a log's whole life. Its address is what readers will trust.

    Example: rapha log deploy-anchor --chain chain.json
    """
    from rapha.errors import ConfigurationError
    from rapha.hub.anchors.settings import read_key, read_settings
    from rapha.proof.anchor.files import read_address

    settings = read_settings(chain)
    if settings.contract:
        raise ConfigurationError(f"{chain} names the contract {settings.contract}: take it out to deploy another")
    key, named = read_key(settings, os.environ), read_address(publisher) if publisher else None
    with _chain(chain) as opened:
        from rapha.hub.anchors.chain import address_of
        from rapha.hub.anchors.client import deploy

        account = named or address_of(key)
        address, outcome = deploy(opened, key, "RaphaAnchor", bytes.fromhex(account[2:]))
    typer.echo(f"{address} on chain {settings.chain_id}: {account} may anchor there, and nobody else")
    typer.echo(f'  {outcome.gas_used} gas, block {outcome.block}. Put "contract": "{address}" into {chain}')


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
def _client(path: Path) -> Iterator["AnchorClient"]:
    with _chain(path) as opened:
        from rapha.hub.anchors.client import AnchorClient

        yield AnchorClient(opened)
