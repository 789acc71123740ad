"""The site's list of those who have opted out: kept in the node's home, so that it holds for every source read later.

The list is written for a source *before* its first batch is: there is no moment at which a listed patient counts.
"""

from collections.abc import Iterable
from pathlib import Path

from rapha.node.configuration import Home
from rapha.timeline.beside import write_beside
from rapha.timeline.opt_out import patients_listed, read_list, write_opt_outs


def take_list(home: Home, file: Path) -> tuple[int, int]:
    """Put a list in the place of the former one. How many identifiers it has, and how many patients here it keeps out.

    Raises:
        SourceError: the file cannot be read.
        DiskFull, Conflict: see `write_batch`; done again it is done.
    """
    listed = read_list(file)
    write_beside(home.opt_out, lambda copy: copy.write("".join(f"{line}\n" for line in listed).encode()))
    home.opt_out.chmod(0o600)
    write_opt_outs(home.timeline, home.secret, listed)
    return len(listed), patients_listed(home.timeline)


def apply_list(home: Home, coming: Iterable[str]) -> None:
    """Key the list for sources that are about to be read; nothing where there is no list."""
    if home.opt_out.exists():
        write_opt_outs(home.timeline, home.secret, read_list(home.opt_out), coming)
