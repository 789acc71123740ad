"""What notes say, as events: which notes count, when they were known, and how a phrase must be meant."""

from pathlib import Path

import pytest
from asking import ask, hold, nobody, of, rule, sees, somebody, study_of
from little_timeline import Event, Person, write_timeline

from rapha.cohort.engine import freeze
from rapha.errors import CohortRefused
from rapha.records.study import Study

KEY = b"a secret of the site, 32 bytes.."
CODED = {name: {"system": "local", "codes": [name]} for name in ("a", "b", "c", "sick")}
SAID = {"mention": {"phrases": ["pneumonia", "lobar consolidation"], "notes": ["b"]}}
TEXT = {"data": {"modalities": ["ehr", "text"]}}
BEFORE = {"until": "index", "for": "1 year"}
INDEX = Event("a", "2010-06-01")


def who_says(said: dict[str, object] = SAID, match: str = "any_of", **more: object) -> dict[str, object]:
    """Parts of a study of those of whom a note said so in the year before the index."""
    criterion = {match: ["said"], "during": BEFORE, **more}
    features = [{"count": "said", "during": BEFORE}, {"since": "said", "during": BEFORE}]
    return {
        "concepts": CODED | {"said": said},
        "cohort": {"index": {"first": ["a"]}, "include": [criterion]},
        "features": features,
        **TEXT,
    }


def said(**how: object) -> dict[str, object]:
    return {"mention": SAID["mention"] | how}


def penned(**how: object) -> dict[str, object]:
    """As `who_says`, in notes that are written so."""
    parts = who_says()
    return parts | {"concepts": parts["concepts"] | {"b": CODED["b"] | how}}  # type: ignore[operator]


def note(text: str, at: str = "2010-03-01", **more: object) -> Event:
    return Event("b", at, note=text, **more)


RULES = [
    rule("a note that says it is an event", [INDEX, note("Pneumonia in the left lung.")], somebody, **who_says()),
    rule("any of the phrases will do", [INDEX, note("There is lobar\nconsolidation.")], somebody, **who_says()),
    rule("a note that does not say it is none", [INDEX, note("The lungs are clear.")], nobody, **who_says()),
    rule("a part of a word is not the word", [INDEX, note("Bronchopneumonia is seen.")], nobody, **who_says()),
    rule("a note by one of whom it is asked", [INDEX, note("Pneumonia.", author="nurse")], somebody, **penned(written_by=["nurse"])),
    rule("a note by another", [INDEX, note("Pneumonia.", author="physician")], nobody, **penned(written_by=["nurse"])),
    rule("a note of which nobody knows who wrote it", [INDEX, note("Pneumonia.")], nobody, **penned(written_by=["nurse"])),
    rule("a note in one of the languages that are asked for", [INDEX, note("Pneumonia.", language="en")], somebody,
         **penned(language=["de", "en"])),
    rule("a note in another language", [INDEX, note("Pneumonia.", language="fr")], nobody, **penned(language=["de", "en"])),
    rule("both must hold", [INDEX, note("Pneumonia.", author="nurse", language="fr")], nobody,
         **penned(written_by=["nurse"], language=["en"])),
    rule("a concept that does not ask takes all", [INDEX, note("Pneumonia.", author="nurse", language="fr")], somebody, **who_says()),
    rule("denied is not said", [INDEX, note("No evidence of pneumonia.")], nobody, **who_says()),
    rule("a relative's is not the patient's", [INDEX, note("His mother had pneumonia.")], nobody, **who_says()),
    rule("what was is not what is", [INDEX, note("History of pneumonia.")], nobody, **who_says()),
    rule("what may come is not what is", [INDEX, note("Return if pneumonia develops.")], nobody, **who_says()),
    rule("perhaps is not yes", [INDEX, note("Possible pneumonia.")], nobody, **who_says()),
    rule("perhaps counts where it is asked for", [INDEX, note("Possible pneumonia.")], somebody,
         **who_says(said(polarity=["affirmed", "possible"]))),
    rule("what is denied can be asked for", [INDEX, note("No evidence of pneumonia.")], somebody,
         **who_says(said(polarity=["negated"]))),
    rule("a relative's can be asked for", [INDEX, note("FAMILY HISTORY: pneumonia")], somebody,
         **who_says(said(about=["family"]))),
    rule("a but ends a no", [INDEX, note("No effusion, but there is pneumonia.")], somebody, **who_says()),
    rule("a no ends with its sentence", [INDEX, note("No effusion. Pneumonia is seen.")], somebody, **who_says()),
    rule("one affirmed mention is enough", [INDEX, note("No pneumonia on the right. Pneumonia on the left.")], somebody, **who_says()),
    rule("only the parts of a note that are asked for", [INDEX, note("INDICATION: pneumonia\nIMPRESSION: normal")], nobody,
         **who_says(said(sections=["impression"]))),
    rule("a part of a note that is left out does not count", [INDEX, note("INDICATION: pneumonia")], nobody,
         **who_says(said(not_sections=["indication"]))),
    rule("a note of another concept is not read", [INDEX, Event("c", "2010-03-01", note="Pneumonia.")], nobody, **who_says()),
    rule("a note entered in error says nothing", [INDEX, note("Pneumonia.", status="entered-in-error")], nobody, **who_says()),
    rule("a note filed after the index says nothing yet", [INDEX, note("Pneumonia.", known="2010-07-01")], nobody, **who_says()),
    rule("a note out of the window is not in it", [INDEX, note("Pneumonia.", at="2008-01-01")], nobody, **who_says()),
    rule("a note is one event, however often it says it", [INDEX, note("Pneumonia. Pneumonia. Lobar consolidation.")],
         sees(count_said_until_1years=1.0), **who_says()),
    rule("two notes are two events", [INDEX, note("Pneumonia."), note("Pneumonia.", at="2010-05-22")],
         sees(count_said_until_1years=2.0, since_said_until_1years=10.0), **who_says()),
    rule("two notes may be asked for", [INDEX, note("Pneumonia.")], nobody, **who_says(at_least=2)),
    rule("who is not said to have it", [INDEX, note("No pneumonia.")], somebody, **who_says(match="none_of")),
    rule("an index may be what a note says", [note("Normal.", at="2009-01-01"), note("Pneumonia.", at="2009-02-01")], somebody,
         concepts=CODED | {"said": SAID}, cohort={"index": {"first": ["said"]}}, **TEXT),
    rule("an outcome may be what a note says", [INDEX, note("New pneumonia.", at="2011-01-01")], sees(fate="kept", label=1),
         concepts=CODED | {"said": SAID}, outcome={"event": "said", "during": {"from": "index", "for": "2 years"}, "unobserved": "exclude"}, **TEXT),
]  # fmt: skip


@of(*RULES)
def test_what_notes_say(tmp_path: Path, events: list[Event], check: object, person: Person, study: Study) -> None:
    hold(tmp_path, events, check, person, study)


def test_a_note_of_two_concepts_is_read_as_one_event(tmp_path: Path) -> None:
    both = {"system": "local", "codes": ["b", "c"]}
    parts = who_says(said(notes=["b", "both"]))
    study = study_of(**parts | {"concepts": CODED | {"said": said(notes=["b", "both"]), "both": both}})
    (row,) = ask(tmp_path, study, [Person()], [INDEX, note("Pneumonia.")])
    assert row["count_said_until_1years"] == 1.0


def test_a_picture_and_a_text_that_is_not_here_say_nothing(tmp_path: Path) -> None:
    events = [INDEX, Event("b", "2010-03-01", picture=5.0), Event("b", "2010-03-02", asset="f" * 64)]
    assert ask(tmp_path / "none", study_of(**who_says()), [Person()], events) == []
    assert len(ask(tmp_path / "one", study_of(**who_says()), [Person()], [*events, note("Pneumonia.")])) == 1


def town(saying: int, patients: int = 200) -> tuple[list[Person], list[Event]]:
    """So many of them have a note that says it; every third is sick later."""
    people = [Person(key) for key in range(1, patients + 1)]
    events = []
    for person in people:
        events.append(Event("a", "2010-06-01", patient=person.key))
        text = "Pneumonia." if person.key <= saying else "Clear."
        events.append(Event("b", "2010-03-01", patient=person.key, note=f"{person.key}: {text}"))
        if person.key % 3 == 0:
            events.append(Event("sick", "2011-01-01", patient=person.key))
    return people, events


def test_a_phrase_that_few_notes_hold_finds_nobody(tmp_path: Path) -> None:
    """It could be a name: whether anybody has it is not told apart from whether a few have."""
    study = study_of(
        concepts=CODED | {"said": SAID},
        features=[{"any": "said", "during": BEFORE}],
        privacy={"min_cohort": 25},
        **TEXT,
    )
    reasons = []
    for number in (0, 1, 24):
        with pytest.raises(CohortRefused) as refused:
            freeze(write_timeline(tmp_path / f"t{number}", *town(number)), study, KEY, tmp_path)
        reasons.append((refused.value.reason, str(refused.value)))
    assert len(set(reasons)) == 1 and reasons[0][0] == "unknown-concept"
    frozen = freeze(write_timeline(tmp_path / "t25", *town(25)), study, KEY, tmp_path)
    assert frozen.rows == 200


def test_the_same_notes_freeze_to_the_same_bytes(tmp_path: Path) -> None:
    study = study_of(concepts=CODED | {"said": SAID}, features=[{"any": "said", "during": BEFORE}], **TEXT)
    people, events = town(60)
    digests = set()
    for name, order in (("one", events), ("two", events[::-1])):
        for event in order:
            assert event.id == ""
        timeline = write_timeline(tmp_path / name, people, order)
        (tmp_path / f"{name}-out").mkdir()
        digests.add(freeze(timeline, study, KEY, tmp_path / f"{name}-out").dataset_digest)
    assert len(digests) == 1
