"""`rapha hub status`: what an operator looks at, and what a monitor asks."""

import fcntl
import shutil
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rapha.hub.overview import Overview

Folder = Annotated[Path, typer.Argument(metavar="HOME", help="the hub's home folder")]


def status(
    home: Folder, as_json: Annotated[bool, typer.Option("--json", help="for a program: one JSON object")] = False
) -> None:
    """Show whether the hub runs, which studies wait for whom, which hospitals were heard of late, and what room is left.

    Ends with 5 where no hub runs on this home. Whether a hub answers is asked of it at /api/v1/health.

    Example: rapha hub status /srv/hub
    """
    from rapha.clock import utc_now
    from rapha.errors import Unreachable
    from rapha.hub.configuration import load
    from rapha.hub.notify import Bell
    from rapha.hub.overview import heard_by_database, heard_by_file, overview
    from rapha.hub.store.database import open_beside

    configuration = load(home)
    runs = _runs(configuration.lock)
    with closing(open_beside(configuration.database, Bell(), utc_now)) as store, store.reading() as session:
        shared = not isinstance(configuration.database, Path)
        now = utc_now()
        heard = heard_by_database(session, now) if shared else heard_by_file(configuration.seen_tokens, now)
        found = overview(session, heard)
    free_mb = shutil.disk_usage(configuration.home).free // 10**6
    url = configuration.url_file.read_text(encoding="utf-8") if runs and configuration.url_file.exists() else None
    if as_json:
        typer.echo(_as_json(configuration.settings.name, url, runs, free_mb, found))
    else:
        where = f"runs, on {url}" if url else "runs, and does not listen yet" if runs else "does not run"
        typer.echo(f"{configuration.settings.name} {where}; {free_mb:,} MB free")
        _show(found)
    if not runs:
        raise Unreachable(f"no hub runs on {configuration.home}: start it with `rapha hub run {home}`")


def _runs(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _as_json(name: str, url: str | None, runs: bool, free_mb: int, found: "Overview") -> str:
    from rapha import __version__
    from rapha.canonical import canonical_bytes

    words = {"hub": name, "version": __version__, "runs": runs, "free_mb": free_mb, **found.as_json()}
    return canonical_bytes(words | ({"url": url} if url else {})).decode()


def _show(found: "Overview") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if found.under_way:
        table = Table(box=None, pad_edge=False)
        table.add_column("study", no_wrap=True, min_width=max(len(each.study_id) for each in found.under_way))
        for head in ("", "state", "round", "until (UTC)", "waits for"):
            table.add_column(head, overflow="fold")
        for each in found.under_way:
            words = (
                each.study_id,
                each.study,
                each.state,
                "" if each.round is None else str(each.round),
                f"{each.deadline:%Y-%m-%d %H:%M}" if each.deadline else "",
                ", ".join(each.waits_for),
            )
            table.add_row(*(escape(word) for word in words))
        console.print(table)
    ended = ", ".join(f"{count} {state}" for state, count in found.ended.items())
    typer.echo(f"studies under way: {len(found.under_way)}; ended: {ended or 'none'}")
    for site in found.sites:
        said = ["heard of late" if site.heard else "silent for five minutes"]
        said += ["its key is revoked"] if site.key == "revoked" else []
        said += [] if site.profile else ["no profile yet: its agent was never started"]
        console.print(f"  {escape(site.site):<20} {', '.join(said)}", highlight=False)
