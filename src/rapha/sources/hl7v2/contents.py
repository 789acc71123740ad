"""One message -> what it says, each thing with its name and its version. The version orders messages however they lie in
files: MSH-7, then the sequence number, then the control id.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rapha.sources.hl7v2.documents import TRIGGERS, document_of
from rapha.sources.hl7v2.documents import Told as Document
from rapha.sources.hl7v2.mapping import Mapping
from rapha.sources.hl7v2.merges import ACCOUNTS, PATIENTS, Merge, identifier, merges_of
from rapha.sources.hl7v2.messages import Message, Segment
from rapha.sources.hl7v2.moments import Moment, moment
from rapha.sources.hl7v2.version import Version

STAYS = {
    "A01": "final", "A02": "final", "A03": "final", "A04": "final", "A05": "preliminary", "A06": "final", "A07": "final",
    "A08": "final", "A11": "cancelled", "A12": "final", "A13": "final", "A23": "entered-in-error", "A38": "cancelled",
}  # fmt: skip
"""What an ADT makes of the stay that it names. A13 takes a discharge back: the stay has no end in it."""
READ = {"ORU": ("R01",), "ADT": (*STAYS, *PATIENTS), "MDM": TRIGGERS}
"""The events of each type of message that are read."""


@dataclass(frozen=True)
class Person:
    """Who a message is about, as it says."""

    patient: str
    version: Version
    birth: Moment | None
    sex: str | None
    death: Moment | None


@dataclass(frozen=True)
class Told:
    """One segment (PV1 or OBX) that may become an event. `name` is the same in every message that tells of the same thing."""

    name: tuple[str, ...]
    version: Version
    patient: str
    file: str
    line: int
    sent: Moment
    segment: Segment
    order: Segment | None = None
    status: str = "final"


def contents_of(
    message: Message, file: str, mapping: Mapping, zone: ZoneInfo
) -> Iterator[Person | Told | Merge | Document | str]:
    """What the message says; a reason, as text, for what cannot be taken."""
    if message.broken:
        yield message.broken
        return
    head = message.segments[0]
    sent, control = moment(head.part(7), zone), head.part(10)
    kind, trigger = head.part(9, 1), head.part(9, 2)
    if sent is None or not control:
        yield "has no time (MSH-7) or no control id (MSH-10)"
    elif trigger in ACCOUNTS and kind == "ADT":
        yield f"merges or renames accounts or visits (ADT^{trigger}), which is not done"
    elif trigger not in READ.get(kind, ()):
        yield "is of a type that is not read"
    else:
        number = head.part(13)
        version = (sent.start, int(number[:15]) if number.isascii() and number.isdigit() else 0, len(control), control)
        if kind == "ADT" and trigger in PATIENTS:
            yield from _of_merges(message, mapping, version, zone)
            return
        yield from _of_patient(message, file, mapping, zone, sent, version, STAYS.get(trigger, "final"))


def _of_merges(message: Message, mapping: Mapping, version: Version, zone: ZoneInfo) -> Iterator[Person | Merge | str]:
    for found in merges_of(message, mapping.authority, version):
        if isinstance(found, str):
            yield found
        else:
            yield _person(found[0], found[1].remains, version, zone)
            yield found[1]


def _of_patient(
    message: Message, file: str, mapping: Mapping, zone: ZoneInfo, sent: Moment, version: Version, status: str
) -> Iterator[Person | Told | Document | str]:
    kind = message.segments[0].part(9, 1)
    people = [segment for segment in message.segments if segment.name == "PID"]
    if len(people) != 1:
        yield "has not one patient (PID)"
        return
    patient = identifier(people[0], 3, mapping.authority)
    if patient is None:
        yield "has not one identifier of the authority (PID-3)"
        return
    yield _person(people[0], patient, version, zone)
    if kind == "MDM":
        yield from document_of(message, file, mapping, sent, version, patient)
        return
    order: Segment | None = None
    met: Counter[tuple[str, ...]] = Counter()
    for segment in message.segments:
        if segment.name == "OBR":
            order = segment
        elif segment.name == "PV1" and kind == "ADT":
            visit = segment.part(19)
            told = Told(("stay", visit), version, patient, file, message.line, sent, segment, None, status)
            yield told if visit else "has no visit number (PV1-19)"
        elif segment.name == "OBX" and kind == "ORU":
            number = (order.part(3) or order.part(2)) if order else ""
            if order is None or not number:
                yield "has no order number (OBR-3, OBR-2), to which a correction could be tied"
                continue
            what = ("result", number, order.part(4), segment.part(3, 3), segment.part(3), segment.raw(4))
            met[what] += 1  # lines of one text, or results that nothing tells apart but their place
            yield Told((*what, str(met[what])), version, patient, file, message.line, sent, segment, order)


def _person(pid: Segment, patient: str, version: Version, zone: ZoneInfo) -> Person:
    sex = {"F": "female", "M": "male", "O": "other", "A": "other"}.get(pid.part(8))
    return Person(patient, version, moment(pid.part(7), zone), sex, moment(pid.part(29), zone))
