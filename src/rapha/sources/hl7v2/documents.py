"""Documents (MDM^T01 to T11): the text of the newest message that has one, under the status of the newest message of all.

A message tells of the document that TXA-12 numbers. T02, T04, T06, T08 and T10 have its text in OBX; the others only say what became of
it. A replacement (T09, T10) ends the document in TXA-13, an addendum (T05, T06) is a document beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rapha.sources.hl7v2.mapping import Mapping
from rapha.sources.hl7v2.messages import Message, Segment
from rapha.sources.hl7v2.moments import Moment, moment
from rapha.sources.hl7v2.values import TEXTS, WITHDRAWN
from rapha.sources.hl7v2.version import Version

TRIGGERS = ("T01", "T02", "T03", "T04", "T05", "T06", "T07", "T08", "T09", "T10", "T11")
WITH_TEXT, REPLACING, CANCELLED = ("T02", "T04", "T06", "T08", "T10"), ("T09", "T10"), "T11"
COMPLETION = {
    "AU": "final", "LA": "final", "DO": "preliminary", "DI": "preliminary", "IP": "preliminary", "IN": "preliminary",
    "PA": "preliminary",
}  # fmt: skip
"""TXA-17 (HL7 table 0271): authenticated, legally authenticated; documented, dictated, in progress, incomplete, pre-authenticated."""
AVAILABILITY = {"CA": "entered-in-error", "OB": "cancelled"}
"""TXA-19 (table 0273): deleted, obsolete."""


@dataclass(frozen=True)
class Told:
    """What one message says of a document. `text` None where it has none."""

    name: str
    replaces: str | None
    version: Version
    trigger: str
    patient: str
    file: str
    line: int
    sent: Moment
    txa: Segment
    code: tuple[str, str]
    text: str | None


def document_of(
    message: Message, file: str, mapping: Mapping, sent: Moment, version: Version, patient: str
) -> Iterator[Told | str]:
    """The document of a message; or the reason why there is none."""
    trigger = message.segments[0].part(9, 2)
    headers = [segment for segment in message.segments if segment.name == "TXA"]
    if len(headers) != 1 or not _number(headers[0], 12):
        yield "has not one document (TXA) with a number (TXA-12)"
        return
    lines = [each for each in message.segments if each.name == "OBX" and each.part(11) not in WITHDRAWN]
    if trigger in WITH_TEXT and any(line.part(2) not in TEXTS for line in lines):
        yield "has a document that is no text (OBX-2)"
        return
    text = "\n".join(_line(line) for line in lines).strip() if trigger in WITH_TEXT else ""
    if trigger in WITH_TEXT and not text:
        yield "has a document without text (OBX-5)"
        return
    yield Told(
        _number(headers[0], 12), _number(headers[0], 13) or None if trigger in REPLACING else None, version, trigger, patient,
        file, message.line, sent, headers[0], _code(headers[0], lines, mapping), text or None,
    )  # fmt: skip


class Documents:
    """The newest of every document."""

    def __init__(self) -> None:
        self._newest: dict[str, Told] = {}
        self._text: dict[str, Told] = {}
        self._replaced: set[str] = set()

    def add(self, told: Told) -> None:
        """In any order, and as often as it comes."""
        for held in (self._newest, *([self._text] if told.text is not None else [])):
            before = held.get(told.name)
            if before is None or told.version > before.version:
                held[told.name] = told
        if told.replaces and told.replaces != told.name:
            self._replaced.add(told.replaces)

    def found(self, zone: ZoneInfo) -> Iterator[tuple[Told, dict[str, object] | str]]:
        """Every document that has a text, and its columns; or the reason why it is none."""
        for name, text in self._text.items():
            newest = self._newest[name]
            yield text, _columns(text, newest, self._status(text, newest), zone)

    def _status(self, text: Told, newest: Told) -> str | None:
        said = AVAILABILITY.get(newest.txa.part(19)) or COMPLETION.get(newest.txa.part(17))
        if newest.trigger == CANCELLED:
            return "entered-in-error"
        if text.name in self._replaced:
            return "cancelled"
        return "amended" if said == "final" and text.trigger == "T08" else said


def _columns(text: Told, newest: Told, status: str | None, zone: ZoneInfo) -> dict[str, object] | str:
    if status is None:
        return "has a completion status that is not read (TXA-17)"
    at = moment(text.txa.part(4) or text.txa.part(6), zone)
    if at is None:
        return "has no time of activity or origination (TXA-4, TXA-6) that can be read"
    written = [moment(each, zone) for field in (7, 8) for each in text.txa.repeats(field) if each]
    if None in written:
        return "has a time of transcription or edit (TXA-7, TXA-8) that cannot be read"
    known = max((each.over for each in written if each), default=text.sent.over)
    return {
        "patient": newest.patient, "t_start": at.start, "t_available": max(known, at.start), "precision": at.precision,
        "utc_offset_minutes": at.offset, "kind": "note", "system": text.code[0], "code": text.code[1], "status": status,
        "polarity": "affirmed",
    }  # fmt: skip


def _number(txa: Segment, field: int) -> str:
    """A document's number, with the namespace that makes it one."""
    number, namespace = txa.part(field, 1), txa.part(field, 2)
    return f"{number}^{namespace}" if number else ""


def _line(obx: Segment) -> str:
    """Repetitions of a text are its lines."""
    return "\n".join(obx.plain(text) for text in obx.repeats(5))


def _code(txa: Segment, lines: list[Segment], mapping: Mapping) -> tuple[str, str]:
    """What all lines are coded as, where a study may know that system; else the type of the document (TXA-2)."""
    codes = {(mapping.systems.get(line.part(3, 3)), line.part(3)) for line in lines}
    if len(codes) == 1 and (code := codes.pop()) and code[0] and code[1]:
        return code[0], code[1]
    return "hl7v2:document-type", txa.part(2)
