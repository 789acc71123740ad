"""The site's list of those who have opted out: kept in the node's home, so that it holds for every source read later.

The list is written for a source *before* its first batch is: there is no moment at which a listed patient counts.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rapha.node.configuration import Home
from rapha.timeline.beside import write_beside
from rapha.timeline.opt_out import patients_listed, read_list, write_opt_outs


class Taken(NamedTuple):
    """How many identifiers a list has, how many patients here it keeps out, and how many of the former list's it has no more."""

    listed: int
    patients: int
    no_more: int


def take_list(home: Home, file: Path) -> Taken:
    """Put a list in the place of the former one.

    Raises:
        SourceError: the file cannot be read.
        DiskFull, Conflict: see `write_batch`; done again it is done.
    """
    listed = read_list(file)
    former = read_list(home.opt_out) if home.opt_out.exists() else []
    write_beside(home.opt_out, lambda copy: copy.write("".join(f"{line}\n" for line in listed).encode()))
    home.opt_out.chmod(0o600)
    write_opt_outs(home.timeline, home.secret, listed)
    return Taken(len(listed), patients_listed(home.timeline), len(set(former) - set(listed)))


def apply_list(home: Home, coming: Iterable[str]) -> None:
    """Key the list for sources that are about to be read; nothing where there is no list."""
    if home.opt_out.exists():
        write_opt_outs(home.timeline, home.secret, read_list(home.opt_out), coming)
