"""`rapha log fsck`, `show`, `verify-anchor`, `verify-stamp`: a public log's folder, read as any stranger could. No hub, no network.

The commands that do reach a network are in `public_anchor.py` and `public_stamp.py`.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli import public_anchor, public_stamp

if TYPE_CHECKING:
    from rapha.proof.anchor.verify import Anchored
    from rapha.proof.checkpoint import Checkpoint
    from rapha.records.wire import TrustedKeys

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Check a public log's folder, show what it holds, anchor it."
)
app.command("anchor")(public_anchor.anchor)
app.command("deploy-anchor")(public_anchor.deploy_anchor)
app.command("prove-anchor")(public_anchor.prove_anchor)
app.command("stamp")(public_stamp.stamp)
app.command("upgrade-stamp")(public_stamp.upgrade_stamp)

Folder = Annotated[Path, typer.Argument(help="The log's folder: HOME/log of a hub, or a copy.", show_default=False)]


@app.command()
def fsck(
    folder: Folder,
    keys: Annotated[Path | None, typer.Option("--keys", help="Keys you had beforehand (a keys.json).")] = None,
) -> None:
    """Work out every hash of a log again from its entries, up to the checkpoint. Ends with 11 where one differs, or a signature
    does not fit; with 13 where all is right, and fewer witnesses than the keys file asks for have signed the checkpoint yet.

    Example: rapha log fsck /srv/hub/log --keys keys.json
    """
    from rapha.hub.log_keeper import read_log_file
    from rapha.proof.tiles import check_whole
    from rapha.sdk.folder import read_keys

    checkpoint = _checkpoint(folder)
    check_whole(lambda path: read_log_file(folder, path), checkpoint.size, checkpoint.root)
    typer.echo(f"{checkpoint.origin}: {checkpoint.size} entries, and every hash follows from them")
    for line in (
        _signed_by(checkpoint, read_keys(keys)) if keys else ("signature not checked: no key was given (--keys)",)
    ):
        typer.echo(line)


@app.command()
def show(
    folder: Folder, last: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the newest entries.")] = 10
) -> None:
    """Show a log's checkpoint, and its newest entries. Checks that each is the one that was hashed, and no signature.

    Example: rapha log show /srv/hub/log --last 3
    """
    from rapha.hub.log_keeper import read_log_file
    from rapha.proof.tiles import TileReader

    checkpoint = _checkpoint(folder)
    typer.echo(f"{checkpoint.origin}: {checkpoint.size} entries, root {checkpoint.root.hex()}")
    for name, _ in checkpoint.signatures:
        typer.echo(f"  signature line of {_plain(name)}")
    reader = TileReader(lambda path: read_log_file(folder, path), checkpoint.size)
    for index in range(max(0, checkpoint.size - last), checkpoint.size):
        typer.echo(f"{index:>8}  {_line_of(reader.entry(index))}")


@app.command("verify-anchor")
def verify_anchor(
    proof: Annotated[
        Path, typer.Argument(metavar="PROOF", help="The anchor's proof, a JSON file.", show_default=False)
    ],
    block_hash: Annotated[str, typer.Option(help="The block's hash, from a chain that you trust.", show_default=False)],
    contract: Annotated[str, typer.Option(help="The address of the log's contract.", show_default=False)],
    log: Annotated[
        Path | None, typer.Option("--log", help="A copy of the log's folder: does it still hold that root?")
    ] = None,
) -> None:
    """Check offline that a log's root stands on a chain, under one block hash that you trust. Ends with 11 if not.

    Example: rapha log verify-anchor anchor.json --block-hash 0x6b0f... --contract 0x5fbd... --log /srv/hub/log
    """
    from rapha.proof.anchor.files import read_address, read_block_hash, read_proof
    from rapha.proof.anchor.verify import check_anchor

    shown = check_anchor(read_proof(_bytes_of(proof)), read_block_hash(block_hash), read_address(contract))
    typer.echo(
        f"{_plain(shown.origin)}: {shown.size} entries, root {shown.root.hex()}, anchored in block {shown.block}"
    )
    typer.echo(_still_holds(log, shown) if log else "not compared with a log: no folder was given (--log)")


@app.command("verify-stamp")
def verify_stamp(
    checkpoint: public_stamp.Saved,
    header: Annotated[
        str, typer.Option(help="The block's header, 160 hex digits, from where you trust.", show_default=False)
    ],
    log: Annotated[
        Path | None, typer.Option("--log", help="A copy of the log's folder: does it still hold that root?")
    ] = None,
    regtest: Annotated[
        bool, typer.Option("--regtest", help="The header is of Bitcoin's chain for tests: shows no time.")
    ] = False,
) -> None:
    """Check offline that a checkpoint was there when a block of Bitcoin was made, under one header that you trust. Ends with 11 if not.

    Example: rapha log verify-stamp 2026-11-29.checkpoint --header 02000000... --log /srv/hub/log
    """
    stamped = public_stamp.shown(checkpoint, header, regtest)
    typer.echo(_still_holds(log, stamped) if log else "not compared with a log: no folder was given (--log)")


def _bytes_of(path: Path) -> bytes:
    from rapha.errors import Unproven
    from rapha.proof.anchor.files import MAX_PROOF_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_PROOF_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise Unproven(f"{path}: there is no such file") from None


def _still_holds(folder: Path, shown: "Anchored | Checkpoint") -> str:
    """A sentence where the log in `folder` begins with the anchored, or stamped, one. Raises Unproven where it does not."""
    from rapha.errors import Unproven
    from rapha.hub.log_keeper import read_log_file
    from rapha.proof.merkle import root
    from rapha.proof.tiles import TileReader, check_whole

    checkpoint = _checkpoint(folder)
    if checkpoint.origin != shown.origin:
        raise Unproven(f"{folder} is the log {checkpoint.origin}, and the anchor is of {shown.origin}")
    if checkpoint.size < shown.size:
        raise Unproven(f"{folder} has {checkpoint.size} entries, and {shown.size} were anchored: some were removed")
    reader = TileReader(lambda path: read_log_file(folder, path), checkpoint.size)
    check_whole(lambda path: read_log_file(folder, path), checkpoint.size, checkpoint.root)
    if root(shown.size, reader.node) != shown.root:
        raise Unproven(f"{folder} had another root at {shown.size} entries: it was rewritten after it was anchored")
    return f"{folder}: its first {shown.size} of {checkpoint.size} entries are the ones that were anchored"


def _checkpoint(folder: Path) -> "Checkpoint":
    from rapha.hub.log_keeper import read_log_file
    from rapha.proof.checkpoint import read_checkpoint

    return read_checkpoint(read_log_file(folder, "checkpoint"))


def _signed_by(checkpoint: "Checkpoint", known: "TrustedKeys") -> "Iterator[str]":
    """Who signed the checkpoint, and who has seen it. Raises Unproven: a signature is missing or does not fit; Conflict: it is too soon for
    as many witnesses as the keys file asks for."""
    from rapha.errors import Conflict
    from rapha.proof.logged import TooFewWitnesses, check_promised, check_witnesses

    key, *seconds = check_promised(checkpoint, known)
    too = "".join(f", and with ML-DSA-44 by {second.keyid[:16]}" for second in seconds)
    yield f"signed by the key {key.keyid[:16]} that you gave{too}"
    if not checkpoint.size:
        yield "no witness is asked for: a log without entries is shown to none"
        return
    try:
        seen = check_witnesses(checkpoint, known)
    except TooFewWitnesses as few:
        raise Conflict(
            f"every hash is right, and fewer witnesses than asked have signed this checkpoint yet: {few.counted}. A hub publishes first and asks "
            "its witnesses then: look again in a minute. If one was away it stays so until the next entry; then ask the hub's steward"
        ) from None
    yield f"seen by {', '.join(seen.values())}" if seen else "seen by no witness that you gave, and none is asked for"


def _line_of(entry: bytes) -> str:
    """Key and digest of the entry of what was signed; of anything else its length alone."""
    from rapha.errors import Unproven
    from rapha.proof import keys
    from rapha.proof.certificate import certified_key

    try:
        body = json.loads(entry)["spec"]["hashedRekordV002"]
        signed = base64.b64decode(body["data"]["digest"], validate=True).hex()
        verifier = body["signature"]["verifier"]
        if "x509Certificate" in verifier:
            certificate = base64.b64decode(verifier["x509Certificate"]["rawBytes"], validate=True)
            keyid, form = keys.keyid(certified_key(certificate)), ", under a certificate"
        else:
            raw = base64.b64decode(verifier["publicKey"]["rawBytes"], validate=True)
            keyid, form = hashlib.sha256(raw).hexdigest(), ""
    except (ValueError, KeyError, TypeError, Unproven):
        return f"{len(entry)} bytes of another kind"
    return f"statement {signed}  signed with {keyid[:16]}{form}"


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
