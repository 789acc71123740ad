"""What a study's words stand for: sets of codes, and the unit of their numbers. Short forms:

    {system: LOINC, codes: [2160-0]}                                     one set of codes
    {system: ATC, codes: [A10], descendants: true, exclude: [{system: ATC, codes: [A10A], descendants: true}]}
    {any_of: [{system: LOINC, codes: [2160-0]}, {system: local, codes: [crea]}]}         sets of several systems
    {..., unit: mg/dL, convert: {umol/L: 0.0113122}}                     its numbers in mg/dL
    {..., unit: Cel, convert: {"[degF]": {times: 0.5555555555555556, plus: -17.77777777777778}}}
    {system: local, codes: [letter], written_by: [physician], language: [en]}      notes, by who wrote them (see `author.py`)
    {mention: {phrases: [pneumonia], notes: [chest-report]}}             what notes say (see `mention.py`)
    {variant: {build: GRCh38, genes: [BRCA1], consequences: [stop_gained]}}   who carries one (see `variant_rule.py`)

Signed is the shortest of them that says the same: what is not said is not written.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.author import Language, Role
from rapha.records.mention import Mention
from rapha.records.record import Real, Record
from rapha.records.variant import DOSAGE, VARIANT
from rapha.records.variant_rule import VariantRule

System = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=200)]
UnitCode = Annotated[str, StringConstraints(min_length=1, max_length=60)]
"""A unit, as a UCUM code; or as the hospital spells it, where its mapping does not say what it means."""

ANY_UNIT = "any"
"""What a comparison says that states no unit."""


class CodeSet(Record):
    """Codes of one system, exactly as written; with `mapped`, also what the site's vocabulary says is the same as one of
    them; with `descendants`, all that and all that the vocabulary has below them.

    `local` is the site's own naming, agreed beforehand."""

    system: System
    codes: Annotated[tuple[Code, ...], Field(min_length=1)]
    descendants: bool = False
    mapped: bool = False

    @model_serializer(mode="wrap")
    def _write(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        return {key: each for key, each in written.items() if key not in ("descendants", "mapped") or each}


class Conversion(Record):
    """number in the concept's unit = number * times + plus. Order is kept: `times` is above 0."""

    times: Annotated[Real, Field(gt=0)]
    plus: Real = 0.0

    @model_validator(mode="before")
    @classmethod
    def _factor(cls, value: Any) -> Any:
        return {"times": value} if isinstance(value, int | float | str) and not isinstance(value, bool) else value

    @model_serializer(mode="wrap")
    def _write(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        return written if self.plus else {key: each for key, each in written.items() if key != "plus"}


class Concept(Record):
    """Codes that mean the same thing: those of `any_of`, without those of `exclude`, which wins.

    With `unit`, its numbers are in that unit: as they stand where they are in it, by `convert` where they are in one of
    those listed there, and no numbers otherwise. Without, all of its numbers at a site must be of one unit.

    With `mention`, it is what notes say, and has neither codes nor numbers. With `variant`, it is the variants that a rule holds of,
    and has no codes; its numbers are copies.

    With `written_by` or `language`, only notes that are known to be written by one of these, in one of these languages.
    """

    any_of: Annotated[tuple[CodeSet, ...], Field(max_length=200)] = ()
    mention: Mention | None = None
    variant: VariantRule | None = None
    exclude: Annotated[tuple[CodeSet, ...], Field(max_length=200)] = ()
    unit: UnitCode | None = None
    convert: Annotated[dict[UnitCode, Conversion], Field(default_factory=dict, max_length=50)]
    written_by: Annotated[tuple[Role, ...], Field(max_length=20)] = ()
    language: Annotated[tuple[Language, ...], Field(max_length=20)] = ()

    @model_validator(mode="before")
    @classmethod
    def _one_set(cls, value: Any) -> Any:
        if (
            not isinstance(value, dict)
            or "any_of" in value
            or ({"mention", "variant"} & set(value) and not {"system", "codes"} & set(value))
        ):
            return value
        of_set = {key: value[key] for key in ("system", "codes", "descendants", "mapped") if key in value}
        return {key: each for key, each in value.items() if key not in of_set} | {"any_of": [of_set]}

    @model_validator(mode="after")
    def _agrees(self) -> "Concept":
        if self.mention and (self.any_of or self.exclude or self.unit):
            raise PydanticCustomError("mention", "a `mention` is made of phrases: it has no codes and no unit")
        if self.variant and (self.any_of or self.exclude or self.unit or self.mention):
            raise PydanticCustomError("variant", "a `variant` is a rule: it has no codes, no unit and no `mention`")
        if not (self.mention or self.variant or self.any_of):
            raise PydanticCustomError(
                "codes", "a concept has codes, a `mention` or a `variant`: with none of them it is nothing"
            )
        if self.of_notes_alone and (self.by_rule or self.unit):
            raise PydanticCustomError(
                "note",
                "`written_by` and `language` are of notes, which have codes and no numbers: name them at the notes",
            )
        if self.unit == ANY_UNIT:
            raise PydanticCustomError("unit", "a concept's `unit` is a unit, such as mg/dL: leave it out for none")
        if self.convert and self.unit is None:
            raise PydanticCustomError("unit", "`convert` says how numbers come into the concept's `unit`: state that")
        if self.unit in self.convert:
            raise PydanticCustomError("unit", "`convert` lists the concept's own unit: that needs no factor")
        if any(each in self.exclude for each in self.any_of):
            raise PydanticCustomError("codes", "the concept excludes just what it is made of: nothing is left")
        return self

    @model_serializer(mode="wrap")
    def _write(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = plain(self)
        sets = written.pop("any_of")
        if self.mention:
            return {"mention": written["mention"]}
        if self.variant:
            return {"variant": written["variant"]}
        rest = {key: each for key, each in written.items() if each not in (None, [], (), {})}
        return (dict(sets[0]) if len(sets) == 1 else {"any_of": sets}) | rest

    @property
    def by_vocabulary(self) -> bool:
        """Which codes it holds depends on the site's vocabulary."""
        return any(each.descendants or each.mapped for each in (*self.any_of, *self.exclude))

    @property
    def of_notes_alone(self) -> bool:
        """It is of notes, by who wrote them or in which language."""
        return bool(self.written_by or self.language)

    @property
    def by_rule(self) -> bool:
        """It is not made of codes: which events it holds is known only at a site."""
        return bool(self.mention or self.variant)

    @property
    def beyond_profiles(self) -> bool:
        """No profile tells whether it is there: what lies below a code, what notes say and who carries what are the site's own
        to know."""
        of_variants = any(each.system.partition(":")[0] in (VARIANT, DOSAGE) for each in self.any_of)
        return self.by_vocabulary or self.by_rule or self.of_notes_alone or of_variants

    def written_codes(self) -> Iterator[tuple[str, str]]:
        """(system, code) of every code that the study writes out for it, excluded ones aside."""
        return ((each.system, code) for each in self.any_of for code in each.codes)
