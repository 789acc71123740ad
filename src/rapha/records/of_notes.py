"""What a study may do with what notes say. Refused when written, in words that say what to change."""

from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

from rapha.records.dense import DenseFeature

if TYPE_CHECKING:
    from rapha.records.study import Study


def check_mentions(study: "Study") -> None:
    """Every `mention` looks in notes that the study declares, and is used as what it is: an event of a moment, without a
    number, an end or a text of its own. Raises PydanticCustomError."""
    said = study.said_in_notes()
    for name, mention in said.items():
        for note in mention.notes:
            if note not in study.concepts:
                raise _fault(name, f"`{note}` is not declared under concepts")
            if note in said:
                raise _fault(name, f"`{note}` is itself a mention: phrases are looked for in notes, which have codes")
    for name, concept in study.concepts.items():
        if concept.of_notes_alone and "text" not in study.data.modalities:
            raise _fault(name, "notes are of the modality `text`: name it under data.modalities")
    if said and "text" not in study.data.modalities:
        raise _fault(next(iter(said)), "notes are of the modality `text`: name it under data.modalities")
    for name in study.cohort.encounter:
        if name in said:
            raise _fault(name, "a mention is no stay: it cannot be listed under cohort.encounter")
    for name in study.cohort.index.of:
        if name in said and study.cohort.index.at == "end":
            raise _fault(name, "a mention has no end to be the index")
    for name in study.compared_numbers():
        if name in said:
            raise _fault(
                name, "a mention has no number to be compared, summed up or predicted: use `any`, `count` or `since`"
            )
    for feature in study.features:
        if isinstance(feature, DenseFeature) and feature.of in said:
            raise _fault(feature.of, f"`{feature.kind}` reads the note itself: name the concept of the note")


def _fault(name: str, what: str) -> PydanticCustomError:
    return PydanticCustomError("mention", "concepts.{name}: {what}", {"name": name, "what": what})
