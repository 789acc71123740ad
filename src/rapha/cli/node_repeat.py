"""`rapha node reexecute` and `rapha node referee`: was a run what its receipt says, and if two say otherwise, who is right?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli.node_stewards import unlocked
from rapha.cli.output_file import writing

if TYPE_CHECKING:
    from rapha.node.configuration import SandboxLimits
    from rapha.node.reexecution import Difference, Outcome
    from rapha.node.sandbox.port import Backend
    from rapha.proof.claim import SiteClaim
    from rapha.proof.keys import PrivateKey

Run = Annotated[
    Path,
    typer.Option(
        "--run", help="the run's folder, HOME/runs/DISPATCH or a copy of it on this machine", show_default=False
    ),
]
HomeOption = Annotated[
    Path | None,
    typer.Option("--home", help="a node's home: its sandbox and its limits; this machine's own where there is none"),
]
Side = Annotated[Path, typer.Argument(help="a transcript's folder: RUN/transcript, or what `reexecute --keep` wrote")]


def reexecute(
    receipt: Annotated[Path, typer.Argument(metavar="RECEIPT", help="the hospital's own receipt of the run")],
    run: Run,
    home: HomeOption = None,
    keep: Annotated[Path | None, typer.Option("--keep", help="keep this second transcript in a new folder")] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="sign that it was the same, with this machine's own key (see steward-key)"),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="where the signed word goes")] = Path("repeated.json"),
) -> None:
    """Do a run again behind the same walls, and compare every waypoint, every update and the figures with its receipt, to the bit.

    Ends with 0 where all of it is the same, with 11 at the first difference, which it names. Nothing leaves the machine.

    Example: rapha node reexecute outbox/dp-1/receipt.json --run /srv/rapha/runs/dp-1 --home /srv/rapha
    """
    from rapha.errors import ConfigurationError, Unproven
    from rapha.node.reexecution import KeptRun, repeat

    if keep and keep.exists():
        raise ConfigurationError(f"{keep} is there already: give a folder that is not")
    payload, claim = _claim(receipt)
    private = unlocked(key) if key else None
    outcome = repeat(KeptRun(run), claim, *_walls(home), keep)
    for line in _words(outcome):
        typer.echo(line)
    if not outcome.same:
        raise typer.Exit(Unproven.exit_code)
    if private is not None:
        _sign(payload, outcome, private, output)


def referee(a: Side, b: Side, run: Run, home: HomeOption = None) -> None:
    """Find the first step on which two transcripts of a run part, do that step again, and say who is right.

    Ends with 0 where they are the same or one is right, with 11 where neither is.

    Example: rapha node referee /srv/rapha/runs/dp-1/transcript second --run /srv/rapha/runs/dp-1
    """
    from rapha.errors import Unproven
    from rapha.node.reexecution import KeptRun
    from rapha.node.referee import rule

    ruling = rule(a, b, KeptRun(run), *_walls(home))
    if ruling.round is not None:
        typer.echo(f"They part in round {ruling.round}, {_steps(ruling.after, ruling.step)}{_parts(ruling.parts)}.")
        typer.echo(
            f"Each was asked for {ruling.asked} roots; {ruling.steps_done} steps were done again, from the round's start."
        )
    typer.echo(f"{ruling.right.upper()}: {ruling.why}.")
    if ruling.right == "neither":
        raise typer.Exit(Unproven.exit_code)


def _walls(home: Path | None) -> "tuple[Backend, SandboxLimits]":
    from rapha.node.configuration import Home, SandboxLimits
    from rapha.node.sandbox.choose import choose_backend, name_for_this_machine

    if home is None:
        return choose_backend(name_for_this_machine()), SandboxLimits()
    configuration = Home(home).configuration
    return choose_backend(configuration.sandbox), configuration.limits


def _sign(payload: bytes, outcome: "Outcome", private: "PrivateKey", output: Path) -> None:
    from rapha.clock import coarse, utc_now
    from rapha.proof import keys
    from rapha.proof.repeat import ROLE, signed_repeat
    from rapha.records.wire import TrustedKey

    word = signed_repeat(payload, outcome.root, outcome.waypoints, coarse(utc_now()), private)
    with writing(output):
        output.write_bytes(word.as_bytes())
    public = private.public_key()
    pinned = TrustedKey(owner=outcome.site, role=ROLE, keyid=keys.keyid(public), public_key=keys.public_to_pem(public))
    typer.echo(f"{output}: signed. Who is to believe it pins this key: {pinned.as_bytes().decode()}")


def _claim(receipt: Path) -> "tuple[bytes, SiteClaim]":
    """A receipt's statement and what it says, from the node's outbox (an envelope) or a model folder (a bundle)."""
    from pydantic import ValidationError

    from rapha.errors import Unproven
    from rapha.proof.bundle import read_bundle
    from rapha.proof.claim import SiteClaim
    from rapha.proof.envelope import unverified_payload
    from rapha.proof.statement import parse_statement
    from rapha.records.receipt import Receipt
    from rapha.sdk.folder import read_receipt_file

    data = read_receipt_file(receipt)
    try:
        envelope = Receipt.from_bytes(data)
    except ValidationError:
        envelope = None
    try:
        payload = unverified_payload(envelope or read_bundle(data).dsseEnvelope)
        claim = parse_statement(payload)
    except Unproven as problem:
        raise Unproven(f"{receipt}: {problem}") from None
    if not isinstance(claim, SiteClaim):
        raise Unproven(f"{receipt} is not a hospital's receipt of a run")
    return payload, claim


def _words(outcome: "Outcome") -> list[str]:
    lines = [f"{outcome.site}, {outcome.study}: {outcome.rounds} rounds, {outcome.waypoints} waypoints done again."]
    lines += [f"This machine computes otherwise: {name}." for name in outcome.machine]
    if outcome.difference is None:
        return [
            *lines,
            f"SAME: every waypoint, every update and the figures are those of the receipt; root {outcome.root}.",
        ]
    lines.append(f"NOT THE SAME: {_difference(outcome.difference)}.")
    if outcome.machine:
        lines.append("That may be this machine and no lie: repeat the run on one that computes as the first did.")
    return lines


def _difference(found: "Difference") -> str:
    where = f" of round {found.round}"
    if found.step is None:
        last = "" if found.after is None else f"; every waypoint up to step {found.after} is the same"
        return f"{found.what}{where} is another{last}"
    return f"{found.what}{where} is another: {_steps(found.after, found.step)}{_parts(found.parts)}"


def _steps(after: int | None, step: int | None) -> str:
    if step is None:
        return f"after step {after}"
    if step == after:
        return f"at its end, after step {step}"
    first = (after or 0) + 1
    return f"at step {step}" if step == first else f"in steps {first} to {step}"


def _parts(parts: tuple[str, ...]) -> str:
    return f", in {', '.join(parts)}" if parts else ""
