"""The site's list of those who have opted out: kept in the node's home, so that it holds for every source read later.

The list is written for a source *before* its first batch is: there is no moment at which a listed patient counts. While a new one is taken
the former lies beside it, so that a command that failed half-way and is done again still tells whom the new one lets in.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
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
        SourceError: the file, or the home's own copy of the former list, cannot be read.
        DiskFull, Conflict: see `write_batch`; done again it is done.
    """
    listed = read_list(file)
    begun = home.opt_out_former.exists()
    former = _own_list(home.opt_out_former if begun else home.opt_out)
    if not begun:
        _write_list(home.opt_out_former, former)
    _write_list(home.opt_out, listed)
    write_opt_outs(home.timeline, home.secret, listed)
    home.opt_out_former.unlink()
    return Taken(len(listed), patients_listed(home.timeline), len(set(former) - set(listed)))


def apply_list(home: Home, coming: Iterable[str]) -> None:
    """Key the list for sources that are about to be read; nothing where there is no list."""
    if home.opt_out.exists():
        write_opt_outs(home.timeline, home.secret, _own_list(home.opt_out), coming)


def _own_list(path: Path) -> list[str]:
    """A list that this home keeps; empty where there is none. Raises SourceError."""
    if not path.exists():
        return []
    try:
        return read_list(path)
    except SourceError as error:
        raise SourceError(
            f"{error}. It is the home's own copy of a list that was taken before, not the file that was named: put it back from a backup, or move "
            "it away and take the list again with `rapha node opt-out`, which then cannot say whom it has no more"
        ) from None


def _write_list(path: Path, listed: Iterable[str]) -> None:
    write_beside(path, lambda copy: copy.write("".join(f"{line}\n" for line in listed).encode()))
    path.chmod(0o600)
