"""One patient more or less changes one of two numbers by one, whatever is asked: the noise is made for that, and no more.

Somebody asks twice, of timelines that differ by one patient, and looks at what the node knows before the noise. If any of these
rows changed more, questions that differ by one patient would tell who is here, through the noise.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asking import KEY, study_of
from little_timeline import Event, Person, Term, write_timeline

from rapha.cohort.engine import size
from rapha.cohort.found import Size
from rapha.errors import CohortRefused

OTHERS = 4
X = 99


def town() -> tuple[list[Person], list[Event]]:
    """Four patients with an `a`; the first two fall sick. Nobody has a `c`."""
    people = [Person(key) for key in range(1, OTHERS + 1)]
    events = [Event("a", "2010-05-03", 3.0, patient=key, unit="mg") for key in range(1, OTHERS + 1)]
    events += [Event("sick", "2011-05-03", patient=key) for key in (1, 2)]
    return people, events


def of_x(*events: Event, person: Person | None = None) -> tuple[Person, list[Event]]:
    return replace(person or Person(), key=X), [replace(event, patient=X) for event in events]


EVERY = {"cohort": {"index": {"every": ["a"]}}}
NEEDS_C = {"features": [{"last": "c", "during": {"until": "index"}}]}
WITH_C = {"cohort": {"index": {"first": ["a"]}, "include": [{"any_of": ["c"], "during": {"until": "index"}}]}}
WITHOUT_C = {"cohort": {"index": {"first": ["a"]}, "include": [{"none_of": ["c"], "during": {"until": "index"}}]}}
COMPARED = {
    "cohort": {
        "index": {"first": ["a"]},
        "include": [{"any_of": ["a"], "during": {"until": "index"}, "value": {"at_least": 1, "unit": "mg"}}],
    }
}

ROWS: dict[str, tuple[tuple[Person, list[Event]], dict[str, Any], tuple[int, int]]] = {
    "a patient of the cohort": (of_x(Event("a", "2010-05-03")), {}, (0, 1)),
    "a patient with the outcome": (of_x(Event("a", "2010-05-03"), Event("sick", "2011-05-03")), {}, (1, 0)),
    "a patient who does not enter": (of_x(Event("b", "2010-05-03")), {}, (0, 0)),
    "a patient who has opted out": (of_x(Event("a", "2010-05-03"), person=Person(opted_out=True)), {}, (0, 0)),
    "a patient whose outcome is not known": (
        of_x(Event("a", "2010-05-03"), person=Person(observed=(("2000-01-01", "2010-06-01"),))), {}, (0, 0),
    ),
    "a patient with thirty index dates": (of_x(*(Event("a", f"2010-05-{day:02}") for day in range(1, 31))), EVERY, (0, 1)),
    "a patient with thirty index dates, sick after some": (
        of_x(*(Event("a", f"2010-05-{day:02}") for day in range(1, 31)), Event("sick", "2015-05-10")), EVERY, (1, 0),
    ),
    "the only patient with a concept that a feature needs": (
        of_x(Event("a", "2010-05-03"), Event("c", "2010-05-01")), NEEDS_C, (0, 1),
    ),
    "the only patient with a concept that the cohort needs": (
        of_x(Event("a", "2010-05-03"), Event("c", "2010-05-01")), WITH_C, (0, 1),
    ),
    "the only patient with a concept that the cohort excludes": (
        of_x(Event("a", "2010-05-03"), Event("c", "2010-05-01")), WITHOUT_C, (0, 0),
    ),
    "the only patient with numbers in another unit": (of_x(Event("a", "2010-05-03", 3.0, unit="g")), COMPARED, (0, 0)),
}  # fmt: skip


def asked(folder: Path, people: Sequence[Person], events: Sequence[Event], **parts: Any) -> Size:
    return size(write_timeline(folder, list(people), list(events)), study_of(**parts), KEY)


@pytest.mark.parametrize("row", ROWS)
def test_one_patient_more_changes_one_number_by_one_at_most(row: str, tmp_path: Path) -> None:
    (person, of_person), parts, (events, others) = ROWS[row]
    people, happened = town()
    without = asked(tmp_path / "without", people, happened, **parts)
    with_x = asked(tmp_path / "with", [*people, person], [*happened, *of_person], **parts)
    changed = (with_x.events - without.events, with_x.others - without.others)
    assert changed == (events, others)
    assert sum(map(abs, changed)) <= 1


def test_too_few_are_counted_and_not_refused(tmp_path: Path) -> None:
    assert asked(tmp_path, *town()) == Size(events=2, others=2)


def test_a_site_that_cannot_say_what_lies_below_a_code_says_so_whoever_is_there(tmp_path: Path) -> None:
    below = {"system": "local", "codes": ["a"], "descendants": True}
    study = study_of()
    asks = study.model_validate({**study.as_json(), "concepts": {**study.as_json()["concepts"], "a": below}})
    for name, (people, events) in {"nobody": ([], []), "town": town()}.items():
        with pytest.raises(CohortRefused) as refused:
            size(write_timeline(tmp_path / name, people, events, [Term("1", "a")]), asks, KEY)
        assert refused.value.reason == "no-hierarchy"
