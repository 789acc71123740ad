"""What the sandbox sees of notes: how much of made-up ones is hidden, and that it is what stands in the frozen rows."""

from pathlib import Path

import pyarrow as pa
import pytest
from asking import KEY, study_of
from little_timeline import Event, Person, write_timeline
from made_up_notes_read import notes, score

from rapha.cohort.deidentify.hide import found_in
from rapha.cohort.deidentify.known import Known
from rapha.cohort.deidentify.ready import as_written, nothing_known
from rapha.cohort.engine import freeze

PAGE = Path(__file__).parents[2] / "docs" / "text.md"


@pytest.mark.parametrize("kind", ["NAME", "DATE", "AGE", "PHONE", "EMAIL", "URL", "ID", "ADDRESS", "PLACE", "all"])
def test_the_page_says_how_much_is_hidden(kind: str) -> None:
    """The row of the page's table is what is measured now: found of marked, in the unseen notes and in those that were seen."""
    cells = []
    for name in ("unseen.txt", "seen.txt"):
        rules, known = score(name, found_in, known=False), score(name, found_in, known=True)
        of = list(rules.marks) if kind == "all" else [kind]
        marked = sum(rules.marks[each] for each in of)
        cells += [f"{sum(s.found[each] for each in of)} of {marked}" for s in (rules, known)]
        cells += [f"{sum(known.right[each] for each in of)} of {sum(known.hidden[each] for each in of)}"]
    assert f"| {kind.lower()} | {' | '.join(cells)} |" in PAGE.read_text()


def test_of_what_is_known_of_a_patient_nothing_is_left() -> None:
    for name in ("seen.txt", "unseen.txt"):
        for note in notes(name):
            numbers = [known.value for known in note.known if known.what in ("id", "phone", "address")]
            assert not any(value in _hidden(note.text, note.known) for value in numbers)


def _hidden(text: str, known: tuple[Known, ...]) -> str:
    from rapha.cohort.deidentify.hide import hide

    return hide(text, known)


STUDY = study_of(
    data={"modalities": ["ehr", "text"]},
    features=[{"note": "b", "during": {"until": "index"}, "at_most": 200}, {"demographic": "age"}],
    model={"architecture": "text-classifier", "buckets": 64},
)
LETTER = "Seen on 12/14/2019. Mr. Deshpande ({number}) is {word}; sunil{word} wrote to q{number}."


def frozen(folder: Path, known: object) -> list[str]:
    """The texts of the frozen rows."""
    people, events = [Person(key) for key in range(1, 121)], []
    for person in people:
        text = LETTER.format(number=5_000_000 + person.key, word="ill" if person.key % 3 else "well")
        events += [
            Event("a", "2010-06-01", patient=person.key),
            Event("b", "2010-05-01", patient=person.key, note=text),
        ]
        if person.key % 3:
            events.append(Event("sick", "2010-09-01", patient=person.key))
    freeze(write_timeline(folder / "t", people, events), STUDY, KEY, folder, folder / "p", known)  # type: ignore[arg-type]
    with pa.memory_map(str(folder / "rows.arrow")) as source:
        column = pa.ipc.open_file(source).read_all()[STUDY.features[0].name]
        return [bytes(row).rstrip(b"\0").decode() for row in column.to_pylist()]


def test_names_are_hidden_in_frozen_rows_without_a_word(tmp_path: Path) -> None:
    texts = frozen(tmp_path, nothing_known)
    assert len(texts) == 120
    assert all(text.startswith("Seen on [DATE]. [NAME] ([ID]) is ") for text in texts)
    assert {"ill" in text for text in texts} == {True, False}


def test_what_is_known_of_the_patient_of_a_row_is_hidden_in_that_row(tmp_path: Path) -> None:
    def known(patients: object) -> dict[int, tuple[Known, ...]]:
        assert patients == set(range(1, 121))
        return {key: (Known("id", f"q{5_000_000 + key}"), Known("name", "Sunilwell")) for key in range(2, 121)}

    plain, texts = (frozen(tmp_path / name, each) for name, each in (("a", nothing_known), ("b", known)))
    left = [text for text in texts if " q5" in text]
    assert len(left) == 1 and "5000001" in left[0]  # of patient 1 nothing is known
    assert sum("sunilwell" in text for text in plain) == 40 and not any("sunilwell" in text for text in texts)


def test_as_written_is_as_written(tmp_path: Path) -> None:
    texts = frozen(tmp_path, as_written)
    assert all("Mr. Deshpande (5000" in text and "12/14/2019" in text for text in texts)
