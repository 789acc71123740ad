"""Merges of patients (ADT A18, A30, A34, A36, A39, A40, A46, A47): a number is retired, another one remains.

The merges of all messages are taken in the order of their versions, wherever they lie in files: the newest of a number counts, and
one that takes a former one back (A into B, then B into A) undoes it. Merges of accounts and visits are of no patient.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rapha.sources.hl7v2.messages import Message, Segment
from rapha.sources.hl7v2.version import Version

PATIENTS = ("A18", "A30", "A34", "A36", "A39", "A40", "A46", "A47")
ACCOUNTS = ("A35", "A41", "A42", "A49", "A50", "A51")


@dataclass(frozen=True)
class Merge:
    """`retired` is no patient's number any more; what is told of it is of `remains`."""

    retired: str
    remains: str
    version: Version


def identifier(segment: Segment, field: int, authority: str) -> str | None:
    """The one identifier of the authority in a field of identifiers (PID-3, MRG-1), or None."""
    parts = (segment.parts(text) for text in segment.repeats(field))
    found = {part[0].strip() for part in parts if len(part) > 3 and part[3].strip() == authority and part[0].strip()}
    return found.pop() if len(found) == 1 else None


def merges_of(message: Message, authority: str, version: Version) -> Iterator[tuple[Segment, Merge] | str]:
    """Each PID of the message with the MRG behind it; or a reason, as text."""
    person: Segment | None = None
    met = False
    for segment in message.segments:
        if segment.name == "PID":
            person = segment
        elif segment.name == "MRG" and person is not None:
            met = True
            remains, retired = identifier(person, 3, authority), identifier(segment, 1, authority)
            if remains is None or retired is None:
                yield "has not one identifier of the authority on either side of a merge (PID-3, MRG-1)"
            elif remains == retired:
                yield "merges a number into itself (PID-3, MRG-1)"
            else:
                yield person, Merge(retired, remains, version)
    if not met:
        yield "is a merge without a patient who remains (PID) and one who is retired (MRG)"


def resolved(merges: Iterable[Merge]) -> dict[str, str]:
    """The number that remains in the end, of every retired one."""
    into: dict[str, str] = {}
    for merge in sorted(set(merges), key=lambda each: (each.version, each.retired, each.remains)):
        into.pop(merge.retired, None)
        if _end(into, merge.remains) == merge.retired:  # it takes a former merge back
            into.pop(merge.remains)
        into[merge.retired] = merge.remains
    return {number: _end(into, number) for number in sorted(into)}


def _end(into: dict[str, str], number: str) -> str:
    while number in into:
        number = into[number]
    return number
