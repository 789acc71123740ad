"""Observations: every form of value, and components as children.

| value | becomes |
|---|---|
| Quantity | number, comparator, unit, and the UCUM code where the unit is UCUM |
| integer | number |
| string that is a number, `<5` | number and comparator |
| Ratio | numerator divided by denominator; `unit` says both |
| Range | two events: `>=` low and `<=` high |
| CodeableConcept | one event for each coding, in `value_code` |
| boolean, time, dateTime, Period | the text, in `value_code` |
| other string, SampledData | where to find it, in `text_ref` |
| dataAbsentReason | its code, in `value_code`; polarity `unknown` |

An interpretation is the `value_code` of a value that is no code itself.
"""

from rapha.sources.fhir.readings import Reading
from rapha.sources.fhir.structures import VALUE

_FIELDS = ", ".join(f"'{name}': r.\"{name}\"" for name in VALUE)
PARTS = f"list_prepend({{{_FIELDS}}}, coalesce(r.component, []))"
"""The observation itself, then its components."""

_REF = "address || CASE WHEN nth = 1 THEN '' ELSE '#component' || (nth - 1) END"
_CODES = "list_transform({0}, lambda c: answer(NULL, NULL, NULL, NULL, c.code, NULL))"
_TEXT = "coalesce(p.valueBoolean, p.valueTime, p.valueDateTime)"
_JUDGED = "p.interpretation[1].coding[1].code"

ANSWERS = f"""CASE
    WHEN p.valueQuantity.value IS NOT NULL OR p.valueQuantity.unit IS NOT NULL THEN [answer(number_of(p.valueQuantity.value),
        p.valueQuantity.comparator, coalesce(p.valueQuantity.unit, p.valueQuantity.code), ucum_of(p.valueQuantity),
        coalesce({_JUDGED}, CASE WHEN p.valueQuantity.value IS NULL THEN p.dataAbsentReason.coding[1].code END), NULL)]
    WHEN len(p.valueCodeableConcept.coding) > 0 THEN {_CODES.format("p.valueCodeableConcept.coding")}
    WHEN p.valueString IS NOT NULL THEN [answer(number_of(said_number(p.valueString).number),
        nullif(said_number(p.valueString).comparator, ''), NULL, NULL, {_JUDGED},
        CASE WHEN number_of(said_number(p.valueString).number) IS NULL THEN {_REF} || '#valueString' END)]
    WHEN p.valueInteger IS NOT NULL THEN [answer(number_of(p.valueInteger), NULL, NULL, NULL, {_JUDGED}, NULL)]
    WHEN {_TEXT} IS NOT NULL THEN [answer(NULL, NULL, NULL, NULL, {_TEXT}, NULL)]
    WHEN p.valuePeriod.start IS NOT NULL OR p.valuePeriod."end" IS NOT NULL THEN
        [answer(NULL, NULL, NULL, NULL, concat(p.valuePeriod.start, '/', p.valuePeriod."end"), NULL)]
    WHEN p.valueRange.low.value IS NOT NULL OR p.valueRange.high.value IS NOT NULL THEN list_filter([
        answer(number_of(p.valueRange.low.value), '>=', p.valueRange.low.unit, ucum_of(p.valueRange.low), {_JUDGED}, NULL),
        answer(number_of(p.valueRange.high.value), '<=', p.valueRange.high.unit, ucum_of(p.valueRange.high), {_JUDGED},
            NULL)], lambda a: a.num IS NOT NULL)
    WHEN p.valueRatio.numerator.value IS NOT NULL THEN [answer(
        number_of(p.valueRatio.numerator.value) / nullif(number_of(p.valueRatio.denominator.value), 0),
        p.valueRatio.numerator.comparator,
        nullif(concat_ws('/', p.valueRatio.numerator.unit, p.valueRatio.denominator.unit), ''), NULL, {_JUDGED}, NULL)]
    WHEN p.valueSampledData IS NOT NULL THEN [answer(NULL, NULL, NULL, NULL, {_JUDGED}, {_REF} || '#valueSampledData')]
    WHEN len(p.dataAbsentReason.coding) > 0 THEN {_CODES.format("p.dataAbsentReason.coding[:1]")}
    WHEN len(p.interpretation) > 0 THEN {_CODES.format("p.interpretation[1].coding[:1]")}
    ELSE [no_answer()] END"""

ABSENT = "len(p.dataAbsentReason.coding) > 0"
UNREADABLE = """p.valueQuantity.value IS NOT NULL AND number_of(p.valueQuantity.value) IS NULL
    OR p.valueQuantity.comparator NOT IN ('<', '<=', '>', '>=')"""

_EFFECTIVE = "coalesce(r.effectiveDateTime, r.effectiveInstant, r.effectivePeriod.start, r.effectiveTiming.event[1])"
OBSERVATION = Reading(
    kind="measurement",
    start=f"coalesce({_EFFECTIVE}, r.issued)",
    end='r.effectivePeriod."end"',
    known="r.issued",
    members="r.hasMember",
)
