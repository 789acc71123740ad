"""`rapha log stamp`, `upgrade-stamp`, and what `verify-stamp` says: a log's checkpoint in the time of Bitcoin, by OpenTimestamps. No extra needed."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rapha.cli.output_file import writing

if TYPE_CHECKING:
    from rapha.proof.checkpoint import Checkpoint

Folder = Annotated[Path, typer.Argument(help="The log's folder: HOME/log of a hub, or a copy.", show_default=False)]
Saved = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT", help="A checkpoint that was stamped; CHECKPOINT.ots is its proof.", show_default=False
    ),
]
Calendar = Annotated[
    list[str],
    typer.Option("--calendar", help="Address of a calendar; may be given more than once.", show_default=False),
]


def stamp(
    folder: Folder,
    calendar: Calendar,
    out: Annotated[
        Path, typer.Option("--out", help="Where to keep the checkpoint; OUT.ots beside it.", show_default=False)
    ],
) -> None:
    """Keep the log's checkpoint in a file, and have calendars of OpenTimestamps promise to put its digest into Bitcoin.

    Example: rapha log stamp /srv/hub/log --calendar https://alice.btc.calendar.opentimestamps.org --out 2026-11-29.checkpoint
    """
    from rapha.errors import Conflict
    from rapha.hub.anchors.calendars import Calendars
    from rapha.hub.log_keeper import read_log_file
    from rapha.proof.checkpoint import read_checkpoint

    if out.exists() or _proof_of(out).exists():
        raise Conflict(f"{out} or {_proof_of(out)} is there already: choose another name")
    data = read_log_file(folder, "checkpoint")
    checkpoint, calendars = read_checkpoint(data), Calendars(calendar)
    made = calendars.stamped(hashlib.sha256(data).digest())
    _write(out, data)
    _write(_proof_of(out), made.as_bytes())
    _say_away(calendars.away)
    typer.echo(
        f"{out}: {checkpoint.origin} at {checkpoint.size} entries, stamped; promised by {_listed(made.calendars)}"
    )
    typer.echo(f"in some hours: rapha log upgrade-stamp {out} --calendar ADDRESS, with the addresses just named")


def upgrade_stamp(checkpoint: Saved, calendar: Calendar) -> None:
    """Ask calendars for the block that a promise has become part of, and put the way to it into the proof. Run it again while it is pending.

    Example: rapha log upgrade-stamp 2026-11-29.checkpoint --calendar https://alice.btc.calendar.opentimestamps.org
    """
    from rapha.hub.anchors.calendars import Calendars
    from rapha.proof.anchor.bitcoin import check_digest, heights
    from rapha.proof.anchor.opentimestamps import read_stamp

    before = read_stamp(_bytes_of(_proof_of(checkpoint)))
    check_digest(_bytes_of(checkpoint), before)
    calendars = Calendars(calendar)
    after = calendars.upgraded(before)
    if after != before:
        _write(_proof_of(checkpoint), after.as_bytes())
    _say_away(calendars.away)
    named = heights(after)
    typer.echo(
        f"{_proof_of(checkpoint)}: leads to the block {_listed(named)} of Bitcoin, as the calendars say; to check it:"
    )
    typer.echo(
        f"  rapha log verify-stamp {checkpoint} --header HEADER, of that block, from a node or explorer that you trust"
    )


def shown(checkpoint: Path, header: str, regtest: bool) -> "Checkpoint":
    """Say what the proof beside a checkpoint shows under a trusted header. Raises as `check_stamp` and `read_header`."""
    from rapha.proof.anchor.bitcoin import EASIEST, EASIEST_IN_TESTS, check_stamp, read_header
    from rapha.proof.anchor.opentimestamps import read_stamp
    from rapha.proof.checkpoint import read_checkpoint

    data = _bytes_of(checkpoint)
    read = read_checkpoint(data)
    trusted = read_header(header, EASIEST_IN_TESTS if regtest else EASIEST)
    stamped = check_stamp(data, read_stamp(_bytes_of(_proof_of(checkpoint))), trusted)
    typer.echo(f"{read.origin}: {read.size} entries, root {read.root.hex()}, was there when this block was made:")
    typer.echo(f"  {trusted.name}, {trusted.time:%Y-%m-%dT%H:%M:%SZ} by its miner's clock, which may be some hours off")
    typer.echo(f"  block {stamped.height}, as the proof says; that the chain holds this block is your word")
    if regtest:
        typer.echo("  a chain for tests: anybody makes its blocks, so this shows no time")
    return read


def _proof_of(checkpoint: Path) -> Path:
    return checkpoint.with_name(checkpoint.name + ".ots")


def _bytes_of(path: Path) -> bytes:
    from rapha.errors import Unproven
    from rapha.proof.anchor.opentimestamps import MAX_PROOF_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_PROOF_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        raise Unproven(f"{path}: there is no such file") from None


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all, and still there after a power cut."""
    from rapha.durable import READABLE, sync_folder, write_synced

    draft = path.with_name(f".{path.name}.draft")
    with writing(path):
        write_synced(draft, data, READABLE)
        draft.replace(path)
        sync_folder(path.parent)


def _say_away(away: list[str]) -> None:
    for line in away:
        typer.echo(line, err=True)


def _listed(those: tuple[object, ...]) -> str:
    return ", ".join(str(one) for one in those)
