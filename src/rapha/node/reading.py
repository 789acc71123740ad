"""What a node asks of its timeline, one question a function: each takes what can be sent to another process, and answers with a record.

They are asked through a `Reader` (`node/reader.py`). What they need of DuckDB and Arrow is loaded where they run, and so not in the agent.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from rapha.cohort.found import FrozenCohort, Size
from rapha.errors import Conflict
from rapha.node.configuration import Home
from rapha.policy.rules import SiteRules
from rapha.records.record import Digest
from rapha.records.site import SiteProfile
from rapha.records.study import Study


class Frozen(NamedTuple):
    """`patients_root`: of the tree of whose rows they are, under the run's approval."""

    cohort: FrozenCohort
    patients_root: Digest


def profile(home: Path, rules: SiteRules) -> SiteProfile:
    """As `rapha.node.profile.measure_profile`."""
    from rapha.node.profile import measure_profile

    return measure_profile(Home(home), rules)


def timeline(home: Path) -> str:
    """The digest of the timeline as it stands, as `rapha.timeline.reader.open_timeline` finds it."""
    from rapha.timeline.reader import open_timeline

    return open_timeline(Home(home).timeline).digest


def count(home: Path, study: Study) -> int:
    """As `rapha.cohort.engine.count`."""
    from rapha.cohort.engine import count
    from rapha.timeline.reader import open_timeline

    return count(open_timeline(Home(home).timeline), study, Home(home).secret)


def size(home: Path, study: Study, digest: str) -> Size:
    """As `rapha.cohort.engine.size`, of the timeline of this digest. Raises Conflict: it is another by now."""
    from rapha.cohort.engine import size
    from rapha.timeline.reader import open_timeline

    opened = open_timeline(Home(home).timeline)
    if opened.digest != digest:
        raise Conflict("the timeline was changed while it was asked: ask again")
    return size(opened, study, Home(home).secret)


def freeze(home: Path, study: Study, approval: Digest, rows: Path, kept: Path) -> Frozen:
    """The study's rows in the folder `rows`, and whose they are in `kept`, as `rapha.cohort.engine.freeze` writes them.

    Raises as it does, and SourceError: what is known of patients by name cannot be read.
    """
    from rapha.cohort.deidentify.ready import KnownOf, as_written
    from rapha.cohort.engine import freeze
    from rapha.cohort.patients import read_patients
    from rapha.node.identifiers import known_of
    from rapha.node.patients import root_of
    from rapha.policy.rules_file import read_rules
    from rapha.timeline.reader import open_timeline

    own = Home(home)
    hidden: KnownOf = as_written if read_rules(own.rules).notes_as_written else partial(known_of, own)
    cohort = freeze(open_timeline(own.timeline), study, own.secret, rows, kept, hidden)
    return Frozen(cohort, root_of(own.secret, approval, read_patients(kept)))
