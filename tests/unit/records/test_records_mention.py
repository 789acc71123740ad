"""What a study may ask of notes, and what it is told when it may not."""

import pytest
from pydantic import ValidationError

from rapha.records.concept import Concept
from rapha.records.mention import Mention
from rapha.records.study import Study

CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "letter", "sick")}
SAID = {"phrases": ["pneumonia"], "notes": ["letter"]}


def study(mention=None, **parts):
    whole = {
        "study": "notes",
        "purpose": {"sentence": "Say what may be asked of notes.", "data_use": ["DUO:0000006"]},
        "data": {"modalities": ["ehr", "text"]},
        "concepts": CODED | {"said": {"mention": mention or SAID}},
        "cohort": {"index": {"first": ["a"]}, "include": [{"any_of": ["said"], "during": {"until": "index"}}]},
        "outcome": {"event": "sick", "during": {"from": "index", "for": "1 year"}, "unobserved": "exclude"},
        "features": [{"any": "said", "during": {"until": "index"}}],
        "model": {"architecture": "logistic"},
    }
    return Study.model_validate(whole | parts)


def test_the_notes_that_are_read_are_concepts_of_the_study():
    assert study().mentioned() == ("a", "said", "sick", "letter")


def test_signed_is_every_word_of_a_mention_and_nothing_of_codes():
    written = study().as_json()["concepts"]["said"]
    assert written == {
        "mention": {
            "phrases": ["pneumonia"], "notes": ["letter"], "polarity": ["affirmed"], "about": ["patient"],
            "time": ["current"], "sections": [], "not_sections": [],
        }
    }  # fmt: skip
    assert Study.from_bytes(study().as_bytes()) == study()


@pytest.mark.parametrize(
    "phrase",
    ["12345678", "born 1961", "MRN 20114", "3/5/61", "a@b.org", "http x:y", "5", "a", "{}", "und*", "x" * 81, "a\nb"],
)
def test_a_phrase_that_could_find_one_person_or_is_no_words_is_refused(phrase):
    with pytest.raises(ValidationError):
        Mention(phrases=(phrase,), notes=("letter",))


@pytest.mark.parametrize(
    "phrase", ["COVID-19", "T2DM", "grade 3", "Crohn's disease", "SpO2 below 90", "Lungenentzündung"]
)
def test_a_phrase_of_words_is_taken(phrase):
    assert Mention(phrases=(phrase,), notes=("letter",)).phrases == (phrase,)


REFUSED = {
    "modality `text`": {"data": {"modalities": ["ehr"]}},
    "`nowhere` is not declared": {"mention": SAID | {"notes": ["nowhere"]}},
    "is itself a mention": {"mention": SAID | {"notes": ["said"]}},
    "no stay": {"cohort": {"index": {"first": ["a"]}, "encounter": ["said"]}},
    "no end": {"cohort": {"index": {"first": ["said"], "at": "end"}}},
    "no number": {"features": [{"mean": "said", "during": {"until": "index"}}]},
    "reads the note itself": {
        "features": [{"note": "said", "during": {"until": "index"}}],
        "model": {"architecture": "text-classifier"},
    },
    "say `sections` or `not_sections`": {"mention": SAID | {"sections": ["plan"], "not_sections": ["labs"]}},
    "lists something twice": {"mention": SAID | {"phrases": ["Pneumonia", "pneumonia"]}},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_refused_when_written(words):
    with pytest.raises(ValidationError, match=words):
        study(**REFUSED[words])


def test_a_number_of_a_mention_is_not_compared():
    value = {"any_of": ["said"], "during": {"until": "index"}, "value": {"above": 1, "unit": "any"}}
    with pytest.raises(ValidationError, match="no number"):
        study(cohort={"index": {"first": ["a"]}, "include": [value]})


def test_a_concept_is_codes_or_a_mention():
    with pytest.raises(ValidationError, match="no codes and no unit"):
        Concept.model_validate({"system": "local", "codes": ["x"], "mention": SAID})
    with pytest.raises(ValidationError, match="no codes and no unit"):
        Concept.model_validate({"mention": SAID, "unit": "mg"})
    with pytest.raises(ValidationError, match="nothing"):
        Concept.model_validate({"any_of": []})


PENNED = {
    "": ({"written_by": ["nurse"], "language": ["en"]}, None),
    "a name": ({"written_by": ["Dr Smith"]}, "Input should be"),
    "a tag": ({"language": ["en-GB"]}, "pattern"),
    "a number": ({"written_by": ["nurse"], "unit": "mg"}, "codes and no numbers"),
}


@pytest.mark.parametrize("case", PENNED)
def test_notes_are_asked_for_by_a_role_and_a_language_alone(case):
    said, words = PENNED[case]
    written = {"system": "local", "codes": ["x"]} | said
    if words is None:
        assert Concept.model_validate(written).model_dump(mode="json") == written
        return
    with pytest.raises(ValidationError, match=words):
        Concept.model_validate(written)


def test_who_wrote_a_mention_is_asked_at_its_notes():
    with pytest.raises(ValidationError, match="codes and no numbers"):
        Concept.model_validate({"mention": SAID, "language": ["en"]})


def test_a_study_that_asks_who_wrote_names_the_modality():
    concepts = CODED | {"said": CODED["letter"], "a": CODED["a"] | {"written_by": ["nurse"]}}
    assert study(concepts=concepts).concepts["a"].of_notes_alone
    with pytest.raises(ValidationError, match="modality `text`"):
        study(concepts=concepts, data={"modalities": ["ehr"]})
