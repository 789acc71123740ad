"""What a note says, as a concept: phrases, in which notes they are looked for, and how they must be meant.

    {phrases: [pneumonia], notes: [chest-report]}                          affirmed, about the patient, now
    {phrases: [stroke], notes: [letter], about: [family]}                  of a relative
    {phrases: [sepsis], notes: [letter], polarity: [affirmed, possible], sections: [impression, plan]}

A note that says one of the phrases so is an event of the concept, at the note's own time, known when the note was known.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record, Word

Polarity = Literal["affirmed", "possible", "negated"]
Person = Literal["patient", "family"]
Time = Literal["current", "historical", "hypothetical"]
Section = Literal[
    "addendum", "allergies", "complaint", "course", "diagnoses", "exam", "family-history", "findings", "impression",
    "indication", "instructions", "labs", "medications", "past-history", "plan", "present-illness", "problems",
    "signature", "social-history", "technique", "other",
]  # fmt: skip
"""The part of a note, by its heading; `other` before the first heading, and under one that is not known."""


def _words_alone(phrase: str) -> str:
    """A phrase names a finding: not a person, a number or an address by which one patient could be looked for."""
    if re.search(r"\d{4}|\d[-/.]\d+[-/.]\d", phrase):
        raise PydanticCustomError("phrase", "a phrase holds no long number and no date: it could find one person")
    if re.search(r"[^\w\s'/+().,-]|_", phrase) or not re.search(r"[^\W\d]{2}", phrase):
        raise PydanticCustomError("phrase", "a phrase is made of words: letters, short numbers and - ' / + ( ) . ,")
    return phrase


Phrase = Annotated[
    str, StringConstraints(min_length=2, max_length=80, strip_whitespace=True), AfterValidator(_words_alone)
]


FAMILY_SECTIONS: tuple[Section, ...] = ("family-history",)
PAST_SECTIONS: tuple[Section, ...] = ("past-history",)
PERHAPS_SECTIONS: tuple[Section, ...] = ("instructions", "allergies")
"""The parts of a note in which all is of the family, historical, or hypothetical, whatever its words."""


class Mention(Record):
    """Whole words, whatever their case. Each of `polarity`, `about` and `time` lists what is accepted; `sections` the parts of
    a note where it counts (all, if empty), `not_sections` those where it does not."""

    phrases: Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=200)]
    notes: Annotated[tuple[Word, ...], Field(min_length=1, max_length=50)]
    polarity: Annotated[tuple[Polarity, ...], Field(min_length=1)] = ("affirmed",)
    about: Annotated[tuple[Person, ...], Field(min_length=1)] = ("patient",)
    time: Annotated[tuple[Time, ...], Field(min_length=1)] = ("current",)
    sections: tuple[Section, ...] = ()
    not_sections: tuple[Section, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> "Mention":
        for name in ("phrases", "notes", "polarity", "about", "time", "sections", "not_sections"):
            said = [each.casefold() for each in getattr(self, name)]
            if len(said) != len(set(said)):
                raise PydanticCustomError("twice", "mention: `{name}` lists something twice", {"name": name})
        if self.sections and self.not_sections:
            raise PydanticCustomError("sections", "mention: say `sections` or `not_sections`, not both")
        for section in self.sections:
            if never := self._never(section):
                raise PydanticCustomError(
                    "sections", "mention: all under `{section}` is {never}, which the mention does not accept",
                    {"section": section, "never": never},
                )  # fmt: skip
        return self

    def _never(self, section: Section) -> str:
        """Why nothing under a heading can ever be what is asked for; nothing where it can."""
        if (section in FAMILY_SECTIONS) > ("family" in self.about):
            return "of the family"
        if section in PAST_SECTIONS and self.time == ("current",):
            return "historical"
        return "hypothetical" if (section in PERHAPS_SECTIONS) > ("hypothetical" in self.time) else ""
