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

Value = str
"""SQL of what holds a value: an observation, or one of its components, as `structures.VALUE`."""

_CODES = "list_transform({0}, lambda c: answer(NULL, NULL, NULL, NULL, c.code, NULL))"
_QUANTITY = """WHEN {v}.valueQuantity.value IS NOT NULL OR {v}.valueQuantity.unit IS NOT NULL THEN [answer(
        number_of({v}.valueQuantity.value), {v}.valueQuantity.comparator,
        coalesce({v}.valueQuantity.unit, {v}.valueQuantity.code), ucum_of({v}.valueQuantity), coalesce({judged},
        CASE WHEN {v}.valueQuantity.value IS NULL THEN {v}.dataAbsentReason.coding[1].code END), NULL)]"""
_OTHER_FORMS = """
    WHEN {v}.valueString IS NOT NULL THEN [answer(number_of(said_number({v}.valueString).number),
        nullif(said_number({v}.valueString).comparator, ''), NULL, NULL, {judged},
        CASE WHEN number_of(said_number({v}.valueString).number) IS NULL THEN {place} || '#valueString' END)]
    WHEN {v}.valueInteger IS NOT NULL THEN [answer(number_of({v}.valueInteger), NULL, NULL, NULL, {judged}, NULL)]
    WHEN {text} IS NOT NULL THEN [answer(NULL, NULL, NULL, NULL, {text}, NULL)]
    WHEN {v}.valuePeriod.start IS NOT NULL OR {v}.valuePeriod."end" IS NOT NULL THEN
        [answer(NULL, NULL, NULL, NULL, concat({v}.valuePeriod.start, '/', {v}.valuePeriod."end"), NULL)]
    WHEN {v}.valueRange.low.value IS NOT NULL OR {v}.valueRange.high.value IS NOT NULL THEN list_filter([
        answer(number_of({v}.valueRange.low.value), '>=', {v}.valueRange.low.unit, ucum_of({v}.valueRange.low),
            {judged}, NULL),
        answer(number_of({v}.valueRange.high.value), '<=', {v}.valueRange.high.unit, ucum_of({v}.valueRange.high),
            {judged}, NULL)], lambda a: a.num IS NOT NULL)
    WHEN {v}.valueRatio.numerator.value IS NOT NULL THEN [answer(
        number_of({v}.valueRatio.numerator.value) / nullif(number_of({v}.valueRatio.denominator.value), 0),
        {v}.valueRatio.numerator.comparator,
        nullif(concat_ws('/', {v}.valueRatio.numerator.unit, {v}.valueRatio.denominator.unit), ''), NULL, {judged},
        NULL)]
    WHEN {v}.valueSampledData IS NOT NULL THEN
        [answer(NULL, NULL, NULL, NULL, {judged}, {place} || '#valueSampledData')]"""


def answers(value: Value, place: str) -> str:
    """SQL of the list of answers; `place` is SQL of where the value stands."""
    given = {
        "v": value,
        "judged": f"{value}.interpretation[1].coding[1].code",
        "text": f"coalesce({value}.valueBoolean, {value}.valueTime, {value}.valueDateTime)",
        "place": place,
    }
    return f"""CASE {_QUANTITY.format(**given)}
    WHEN len({value}.valueCodeableConcept.coding) > 0 THEN {_CODES.format(f"{value}.valueCodeableConcept.coding")}
    {_OTHER_FORMS.format(**given)}
    WHEN len({value}.dataAbsentReason.coding) > 0 THEN {_CODES.format(f"{value}.dataAbsentReason.coding[:1]")}
    WHEN len({value}.interpretation) > 0 THEN {_CODES.format(f"{value}.interpretation[1].coding[:1]")}
    ELSE [no_answer()] END"""


def absent(value: Value) -> str:
    """SQL of the polarity of what has no value, and a reason why."""
    return f"CASE WHEN len({value}.dataAbsentReason.coding) > 0 THEN 'unknown' END"


def unreadable(value: Value) -> str:
    """SQL condition: there is a value, and it cannot be read."""
    return f"""{value}.valueQuantity.value IS NOT NULL AND number_of({value}.valueQuantity.value) IS NULL
        OR {value}.valueQuantity.comparator NOT IN ('<', '<=', '>', '>=')"""


OBSERVATION = Reading(
    kind="if(answer.num IS NOT NULL OR clinical, 'measurement', 'observation')",
    start="coalesce(r.effectiveDateTime, r.effectiveInstant, r.effectivePeriod.start, r.effectiveTiming.event[1], r.issued)",
    end='r.effectivePeriod."end"',
    known="r.issued",
    members="r.hasMember",
    clinical="r.category[1].coding[1].code IN ('laboratory', 'vital-signs')",
)
"""What an observation and its components have alike; values are read of each."""
