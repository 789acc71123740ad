"""`rapha receipt follow-keys`."""

from pathlib import Path
from typing import Annotated

import typer

from rapha.cli.output_file import writing


def follow_keys(
    pinned: Annotated[Path, typer.Argument(metavar="KEYS", help="the keys file that you pinned")],
    changes: Annotated[Path, typer.Argument(metavar="CHANGES", help="the hub's /api/v1/key-changes, as a file")],
    output: Annotated[Path, typer.Option("-o", "--output", help="where to write the keys file as it is then")],
) -> None:
    """Bring a pinned keys file up to date with the rotations and revocations in the public log. Works offline.

    Nothing is taken on the hub's word: a key follows another where that one signed it, ends where it or the hub did, and each such
    statement has to be stamped and logged by those that you pinned. What a key signed before its end stays believed.

    Example: rapha receipt follow-keys pinned.json key-changes.json -o pinned-now.json
    """
    from rapha.proof.key_change import followed
    from rapha.sdk.folder import read_key_changes, read_keys

    known = read_keys(pinned)
    found = followed(known, read_key_changes(changes))
    with writing(output):
        output.write_bytes(found.as_bytes())
    for key in found.keys:
        before = next((one for one in known.keys if one.keyid == key.keyid and one.role == key.role), None)
        if key != before:
            window = key.window
            begun = f" from {window.start}" if window and window.start else ""
            ended = f" until {window.end}" if window and window.end else ""
            typer.echo(f"{key.owner}  {key.keyid[:16]}  {'new, ' if before is None else ''}believed{begun}{ended}")
    typer.echo(f"{output}: {len(found.keys)} keys")
