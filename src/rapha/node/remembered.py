"""Whether this node's ledger is the newest one there was: an old copy of it would spend the same privacy budget again.

What cannot be put back together with it tells: the copies of what left in `outbox/`, and what the hub was handed. The hub is believed
towards caution alone: it can have an agent refuse to begin, and none begin.
"""

import re
from pathlib import Path

from rapha.clock import utc_now
from rapha.errors import ConfigurationError
from rapha.node.configuration import Home
from rapha.node.hub_line import HubLine
from rapha.node.ledger import Ledger
from rapha.node.register import Register
from rapha.records.record import DispatchId

SHOWN = 3
OF_THE_DISK = re.compile(r"lost\+found\Z|[.@]")
"""How folders begin that a disk or a file server puts there."""
ACCEPTED = "ledger.forgotten-accepted"
OPTION = "--i-accept-that-budget-may-be-spent-twice"


def check_remembered(home: Home, line: HubLine, *, accepted: bool = False) -> None:
    """Return if the ledger knows every run of which something left, or may have. `accepted`: a person said to go on without those that
    it has forgotten; the audit log keeps which, and they are not asked about again.

    Raises:
        ConfigurationError: it has forgotten one, or was changed.
        Unreachable: the hub does not answer.
    """
    ledger, register = Ledger(home.ledger, utc_now), Register(home.database, utc_now)
    left = _outbox(home.outbox) | set(line.runs().dispatches)
    known = {
        entry.dispatch: entry.kind for entry in ledger.entries()
    }  # by its last entry: what was refunded is not spent
    gone = sorted(run for run in left if known.get(run, "refunded") == "refunded")
    gone = [run for run in gone if register.said_of(ACCEPTED, run, "by") is None]
    if accepted:
        for run in gone:
            register.note(ACCEPTED, run, by=OPTION)
    elif gone:
        raise ConfigurationError(_in_words(home.ledger, gone))


def _outbox(folder: Path) -> set[DispatchId]:
    here = folder.iterdir() if folder.is_dir() else ()
    return {DispatchId(each.name) for each in here if each.is_dir() and not OF_THE_DISK.match(each.name)}


def _in_words(ledger: Path, gone: list[DispatchId]) -> str:
    named = ", ".join(gone[:SHOWN]) + (f" and {len(gone) - SHOWN} more" if len(gone) > SHOWN else "")
    return (
        f"{ledger} does not know of {named}, of which something left this hospital: it is an older copy, and would let that privacy "
        f"budget be spent again. Put back the newest ledger.db. Where there is none, take what those runs may have spent off "
        f"lifetime_epsilon and lifetime_delta in rules.yaml, and start the agent once with {OPTION}"
    )
