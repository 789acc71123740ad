"""What is there, counted exactly. Nothing of this page leaves as it is: the node suppresses and rounds it first."""

from dataclasses import dataclass

from rapha.timeline.reader import LockedConnection
from rapha.timeline.schema import USABLE_STATUSES


@dataclass(frozen=True)
class CodeCount:
    """How many patients have any usable event of this code."""

    system: str
    code: str
    patients: int


@dataclass(frozen=True)
class Coverage:
    """`patients`: all who have not opted out, with or without events. The years are those of the first and the last
    usable event, in UTC; None where there is none. `codes` by system, then code."""

    patients: int
    first_year: int | None
    last_year: int | None
    codes: tuple[CodeCount, ...]


_USABLE = """
    SELECT events.subject_key, events.t_start, events.system, events.code
    FROM events JOIN subjects USING (subject_key)
    WHERE NOT subjects.opted_out AND NOT events.deleted AND events.polarity = 'affirmed'
      AND list_contains($statuses, events.status)
"""
_YEAR = "CAST(year(make_timestamp(epoch_us({moment}))) AS INTEGER)"
"""The UTC year, whatever the connection's time zone."""


def measure(connection: LockedConnection) -> Coverage:
    """Count a timeline through its locked connection.

    An event counts when its status is usable, it is affirmed and not deleted, and its patient has not opted out.
    """
    statuses = {"statuses": list(USABLE_STATUSES)}
    first, last = _YEAR.format(moment="min(t_start)"), _YEAR.format(moment="max(t_start)")
    [(patients,)] = connection.execute(
        "SELECT count(DISTINCT subject_key) FROM subjects WHERE NOT opted_out"
    ).fetchall()
    [(first_year, last_year)] = connection.execute(f"SELECT {first}, {last} FROM ({_USABLE})", statuses).fetchall()
    codes = connection.execute(
        f"""SELECT system, code, count(DISTINCT subject_key) FROM ({_USABLE})
            WHERE system IS NOT NULL AND code IS NOT NULL GROUP BY system, code ORDER BY system, code""",
        statuses,
    ).fetchall()
    return Coverage(patients, first_year, last_year, tuple(CodeCount(*row) for row in codes))
