"""The oracle's reading of notes: it reads no text, for it is told what each sentence was written to say."""

from dataclasses import replace

from little_timeline import Event, Said
from oracle_terms import Vocabulary
from oracle_variants import holds_of

from rapha.records.concept import Concept
from rapha.records.mention import Mention
from rapha.records.study import Study

HEADINGS = {"": "other", "FINDINGS:": "findings", "FAMILY HISTORY:": "family-history", "PMH:": "past-history"}
MEANT = {
    "plain": ("affirmed", "patient", "current"),
    "negated": ("negated", "patient", "current"),
    "possible": ("possible", "patient", "current"),
    "family": ("affirmed", "family", "current"),
    "historical": ("affirmed", "patient", "historical"),
    "hypothetical": ("affirmed", "patient", "hypothetical"),
}


def means(concept: Concept, event: Event, study: Study, vocabulary: Vocabulary) -> bool:
    """Whether an event is of a concept that is not made of codes."""
    return says(concept.mention, event, study, vocabulary) or holds_of(concept.variant, event)


def says(mention: Mention | None, event: Event, study: Study, vocabulary: Vocabulary) -> bool:
    """Whether an event is a note, of one of the mention's concepts, that says it."""
    if mention is None or not any(vocabulary.is_of(study.concepts[name], event) for name in mention.notes):
        return False
    section = "other"  # a sentence without a heading goes on in the part before
    for said in event.says:
        section = HEADINGS[said.heading] if said.heading else section
        if _accepts(mention, said, section):
            return True
    return False


def of_concept(event: Event, concept: Concept) -> Event:
    """An event as it counts under a concept: a mention has no number and no end."""
    return replace(event, value=None, canonical=None, comparator=None, until=None) if concept.mention else event


def _accepts(mention: Mention, said: Said, section: str) -> bool:
    polarity, about, time = MEANT[said.how]
    about = "family" if section == "family-history" else about
    time = "historical" if section == "past-history" and time == "current" else time
    if section not in (mention.sections or [section]) or section in mention.not_sections:
        return False
    return (
        said.phrase in mention.phrases
        and polarity in mention.polarity
        and about in mention.about
        and time in mention.time
    )
