"""Observations: every form of value, and components as children.

| value | becomes |
|---|---|
| Quantity | number, comparator, unit, and the UCUM code where the unit is UCUM |
| integer | number |
| string that is a number, `<5` | number and comparator |
| Ratio | numerator divided by denominator, which has no comparator; `unit` says both |
| Range | two events: `>=` low and `<=` high |
| CodeableConcept | one event for each coding, in `value_code` |
| boolean, time, dateTime, Period | the text, in `value_code` |
| other string, SampledData | where to find it, in `text_ref` |
| dataAbsentReason | its code, in `value_code`; polarity `unknown` |

An interpretation is the `value_code` of a value that is no code itself.
"""

import json
from dataclasses import dataclass, fields

from rapha.sources.fhir.readings import Reading
from rapha.sources.fhir.structures import PERIOD, RANGE, RATIO

_RARE = {"range_of": RANGE, "ratio_of": RATIO, "period_of": PERIOD}
OBSERVATION_MACROS = tuple(
    f"CREATE TEMP MACRO {name}(v) AS TRY(json_transform(v, '{json.dumps(form)}'))" for name, form in _RARE.items()
)
_JUDGED = "p.interpretation[1].coding[1].code"
_TEXT = "coalesce(p.valueBoolean, p.valueTime, p.valueDateTime)"
_SAID = "said_number(p.valueString)"
_LOW, _HIGH = "range_of(p.valueRange).low", "range_of(p.valueRange).high"
_LOW_READ = f"number_of({_LOW}.value) IS NOT NULL"
_OVER, _UNDER = "ratio_of(p.valueRatio).numerator", "ratio_of(p.valueRatio).denominator"
_IS_LOW = f"answer_at = 1 AND {_LOW_READ}"
_QUOTIENT = f"number_of({_OVER}.value) / nullif(number_of({_UNDER}.value), 0)"
_COMPARATORS = "('<', '<=', '>', '>=')"


def _garbled(quantity: str) -> str:
    """SQL: this quantity has a value, and it is no number."""
    return f"{quantity}.value IS NOT NULL AND number_of({quantity}.value) IS NULL"


@dataclass(frozen=True)
class Form:
    """A form of value: SQL of the condition that `p`, an observation or a component of one as `structures.VALUE`, has it; of how
    many answers that is; of the columns of the `answer_at`th of them, from 1; and of the condition that some of it is there and cannot be
    read. `place` is where the value stands."""

    condition: str
    count: str = "1"
    num: str = "NULL"
    comparator: str = "NULL"
    unit: str = "NULL"
    ucum: str = "NULL"
    code: str = "NULL"
    ref: str = "NULL"
    unread: str = "NULL"


FORMS = (
    Form(
        "p.valueQuantity.value IS NOT NULL OR p.valueQuantity.unit IS NOT NULL",
        num="number_of(p.valueQuantity.value)",
        comparator="p.valueQuantity.comparator",
        unit="coalesce(p.valueQuantity.unit, p.valueQuantity.code)",
        ucum="ucum_of(p.valueQuantity)",
        code=f"coalesce({_JUDGED}, CASE WHEN p.valueQuantity.value IS NULL THEN p.dataAbsentReason.coding[1].code END)",
    ),
    Form(
        "len(p.valueCodeableConcept.coding) > 0",
        count="len(p.valueCodeableConcept.coding)",
        code="p.valueCodeableConcept.coding[answer_at].code",
    ),
    Form(
        "p.valueString IS NOT NULL",
        num=f"number_of({_SAID}.number)",
        comparator=f"nullif({_SAID}.comparator, '')",
        code=_JUDGED,
        ref=f"CASE WHEN number_of({_SAID}.number) IS NULL THEN place || '#valueString' END",
    ),
    Form(
        "p.valueInteger IS NOT NULL",
        num="number_of(p.valueInteger)",
        code=_JUDGED,
        unread="number_of(p.valueInteger) IS NULL",
    ),
    Form(f"{_TEXT} IS NOT NULL", code=_TEXT),
    Form(
        'period_of(p.valuePeriod).start IS NOT NULL OR period_of(p.valuePeriod)."end" IS NOT NULL',
        code="concat(period_of(p.valuePeriod).start, '/', period_of(p.valuePeriod).\"end\")",
    ),
    Form(
        f"{_LOW}.value IS NOT NULL OR {_HIGH}.value IS NOT NULL",
        count=f"CAST({_LOW_READ} AS INTEGER) + CAST(number_of({_HIGH}.value) IS NOT NULL AS INTEGER)",
        num=f"number_of(CASE WHEN {_IS_LOW} THEN {_LOW}.value ELSE {_HIGH}.value END)",
        comparator=f"CASE WHEN {_IS_LOW} THEN '>=' ELSE '<=' END",
        unit=f"CASE WHEN {_IS_LOW} THEN {_LOW}.unit ELSE {_HIGH}.unit END",
        ucum=f"CASE WHEN {_IS_LOW} THEN ucum_of({_LOW}) ELSE ucum_of({_HIGH}) END",
        code=_JUDGED,
        unread=f"{_garbled(_LOW)} OR {_garbled(_HIGH)}",
    ),
    Form(
        f"{_OVER}.value IS NOT NULL OR {_UNDER}.value IS NOT NULL",
        num=_QUOTIENT,
        comparator=f"{_OVER}.comparator",
        unit=f"nullif(concat_ws('/', {_OVER}.unit, {_UNDER}.unit), '')",
        code=_JUDGED,
        unread=f"""coalesce(NOT isfinite({_QUOTIENT}), true) OR {_UNDER}.comparator IS NOT NULL
            OR {_OVER}.comparator NOT IN {_COMPARATORS} OR {_OVER}.comparator IS NOT NULL AND number_of({_UNDER}.value) < 0""",
    ),
    Form("p.valueSampledData IS NOT NULL", code=_JUDGED, ref="place || '#valueSampledData'"),
    Form("len(p.dataAbsentReason.coding) > 0", code="p.dataAbsentReason.coding[1].code"),
    Form("len(p.interpretation) > 0", count="least(coalesce(len(p.interpretation[1].coding), 0), 1)", code=_JUDGED),
)
"""The first that holds is the value's; one that has none of them is one answer that says nothing."""

FORM = f"CASE {' '.join(f'WHEN {form.condition} THEN {at}' for at, form in enumerate(FORMS))} ELSE {len(FORMS)} END"
"""SQL of the number of the form of `p`."""
ANSWERS = f"CASE form {' '.join(f'WHEN {at} THEN {form.count}' for at, form in enumerate(FORMS) if form.count != '1')} ELSE 1 END"
"""SQL of how many answers a value of this `form` is; none where nothing of it can be read."""


def answer() -> dict[str, str]:
    """SQL of the columns of one answer of a value of this `form`."""
    columns = [field.name for field in fields(Form) if field.name not in ("condition", "count", "unread")]
    return {column: f"CASE form {_cases(column)} END" for column in columns}


def _cases(column: str) -> str:
    said = ((at, getattr(form, column)) for at, form in enumerate(FORMS))
    return " ".join(f"WHEN {at} THEN {sql}" for at, sql in said if sql != "NULL")


ABSENT = "CASE WHEN len(p.dataAbsentReason.coding) > 0 THEN 'unknown' END"
"""SQL of the polarity of what has no value, and a reason why."""
UNREADABLE = f"""CASE WHEN {_garbled("p.valueQuantity")} OR p.valueQuantity.comparator NOT IN {_COMPARATORS}
    OR CASE form {_cases("unread")} END THEN 'has a value that cannot be read'
    WHEN answers = 0 AND form = {len(FORMS) - 1} THEN 'has an interpretation without a code and no value' END"""
"""SQL of the reason why a value of this `form`, which is so many `answers`, cannot be read; NULL where it can, or there is none."""


OBSERVATION = Reading(
    kind="if(num IS NOT NULL OR clinical, 'measurement', 'observation')",
    start="coalesce(r.effectiveDateTime, r.effectiveInstant, r.effectivePeriod.start, r.effectiveTiming.event[1], r.issued)",
    end='r.effectivePeriod."end"',
    known="r.issued",
    members="r.hasMember",
    clinical="r.category[1].coding[1].code IN ('laboratory', 'vital-signs')",
)
"""What an observation and its components have alike; values are read of each."""
