"""The newest version of each thing as a row of the timeline, or the reason why it is none."""

import hashlib
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rapha.sources.hl7v2.contents import Told
from rapha.sources.hl7v2.mapping import Mapping
from rapha.sources.hl7v2.messages import Segment
from rapha.sources.hl7v2.moments import Moment, moment
from rapha.sources.hl7v2.values import STATUSES, WITHDRAWN, Value, value_of

Row = dict[str, Any]


def row_of(told: Told, mapping: Mapping, zone: ZoneInfo) -> Row | str:
    """All columns but the patient's key, the version of the source and the batch."""
    return _stay(told, zone) if told.order is None else _result(told, told.order, mapping, zone)


def _stay(told: Told, zone: ZoneInfo) -> Row | str:
    begun, ended = moment(told.segment.part(44), zone), moment(told.segment.part(45), zone)
    if begun is None:
        return "has no time of admission (PV1-44) that can be read"
    if told.segment.raw(45) and ended is None:
        return "has a time of discharge (PV1-45) that cannot be read"
    if ended is not None and ended.start < begun.start:
        return "ends before it begins (PV1-44, PV1-45)"
    row = _row(told, begun, begun.over, "hl7v2:patient-class", told.segment.part(2), told.status, "affirmed")
    return row | {"kind": "encounter", "t_end": ended.start if ended else None, "encounter": row["event_id"]}


def _result(told: Told, order: Segment, mapping: Mapping, zone: ZoneInfo) -> Row | str:
    obx, said = told.segment, told.segment.part(11)
    if said not in STATUSES:
        return "has a status that is not read (OBX-11)"
    text = obx.part(14) or order.part(7)
    taken = moment(text, zone)
    if taken is None:
        return "has no time of observation (OBX-14, OBR-7) that can be read"
    reported = moment(order.part(22), zone)
    if order.raw(22) and reported is None:
        return "has a time of report (OBR-22) that cannot be read"
    value = value_of(obx)
    if isinstance(value, str):
        if said not in WITHDRAWN:
            return value
        value = Value()
    if not obx.part(3):
        return "has no code (OBX-3)"
    system = mapping.systems.get(obx.part(3, 3), f"hl7v2:{obx.part(3, 3) or 'local'}")
    row = _row(told, taken, max((reported or told.sent).over, taken.start), system, obx.part(3), *STATUSES[said])
    return row | {
        "kind": "observation" if value.number is None else "measurement", "num": value.number,
        "comparator": value.comparator, "unit": obx.part(6) or None, "value_code": value.code,
        "text_ref": row["source_ref"] if value.is_text else None,
    }  # fmt: skip


def _row(told: Told, at: Moment, known: datetime, system: str, code: str, status: str, polarity: str) -> Row:
    name = hashlib.sha256("\x1f".join(told.name).encode()).hexdigest()[:32]
    return {
        "event_id": name, "t_start": at.start, "t_available": known, "precision": at.precision,
        "utc_offset_minutes": at.offset, "system": system, "code": code or None, "status": status, "polarity": polarity,
        "source_ref": f"{told.file}#{told.line}", "deleted": False,
    }  # fmt: skip
