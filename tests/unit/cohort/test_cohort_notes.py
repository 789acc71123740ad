"""How a note falls into parts, sentences and words, and what the words around a phrase say of it."""

from itertools import product
from random import Random
from typing import get_args

import pytest
from pydantic import ValidationError

from rapha.cohort.notes.context import Span, meanings
from rapha.cohort.notes.scan import MOST_CHARACTERS, Scanner
from rapha.cohort.notes.sections import sentences
from rapha.cohort.notes.words import plain, tokens
from rapha.records.mention import Mention, Person, Polarity, Section, Time
from rapha.sdk.rehearsal.made_up_assets import saying

NOTE = """\
CHIEF COMPLAINT: Cough.
Patient seen with Dr. Smith at 3.5 l/min. Denies
fever; has chills

Family History
Father had a stroke
Past Medical History:
- asthma
- gout 2. grade
UNHEARD OF: x
Impression: Pneumonia
"""


def test_a_note_falls_into_parts_and_sentences():
    text = plain(NOTE)
    found = [(each.section, " ".join(text[each.start : each.end].split())) for each in sentences(text)]
    assert found == [
        ("complaint", "Cough."),
        ("complaint", "Patient seen with Dr. Smith at 3.5 l/min."),
        ("complaint", "Denies fever;"),
        ("complaint", "has chills"),
        ("family-history", "Father had a stroke"),
        ("past-history", "- asthma"),
        ("past-history", "- gout 2."),
        ("past-history", "grade"),
        ("other", "x"),
        ("impression", "Pneumonia"),
    ]


def test_a_long_line_goes_on_in_the_next_and_a_short_one_does_not():
    long = "The lungs show no sign of an acute process such as the one named in the question,\nPneumonia"
    assert len(list(sentences(long))) == 1
    assert len(list(sentences("No fever\nPneumonia"))) == 2
    assert len(list(sentences("no fever or\npneumonia"))) == 1


@pytest.mark.parametrize(
    "text, words",
    [
        ("He doesn't, can't and cannot.", ["he", "does", "n't", ",", "ca", "n't", "and", "can", "not", "."]),
        ("Crohn’s X-ray r/o", ["crohn", "'s", "x", "-", "ray", "r", "/", "o"]),
        ("ÄRGER_2", ["ärger", "_", "2"]),
    ],
)
def test_a_text_as_words(text, words):
    assert [token.word for token in tokens(plain(text))] == words


SAYS = [
    ("There is {}.", set()), ("No {}.", {"negated"}), ("No evidence of {}.", {"negated"}), ("{} is not seen.", {"negated"}),
    ("Neither effusion nor {}.", {"negated"}), ("{} has been ruled out.", {"negated"}), ("Rule out {}.", {"possible"}),
    ("{} cannot be excluded.", {"possible"}), ("?{}", {"possible"}), ("{}?", {"possible"}), ("{} is likely.", {"possible"}),
    ("Suspected {}.", {"possible"}), ("{} versus oedema.", {"possible"}), ("Oedema vs {}.", {"possible"}),
    ("s/p {}", {"historical"}), ("{} two years ago.", {"historical"}), ("Previous {}.", {"historical"}),
    ("{} as a child.", {"historical"}), ("Mother has {}.", {"family"}), ("{} in her brother.", {"family"}),
    ("{} runs in the family.", {"family"}), ("Return if {} recurs.", {"hypothetical"}), ("At risk for {}.", {"hypothetical"}),
    ("Monitor for {}.", {"hypothetical"}), ("Denies effusion but has {}.", set()), ("No fever, {} however.", {"negated"}),
    ("Mother is well, but {} is seen.", set()), ("No history of {}.", {"negated"}), ("Mother: fine, no {}", {"family", "negated"}),
    ("Her mother denies previous {}.", {"family", "negated", "historical"}), ("76 year old with {}.", set()),
]  # fmt: skip


@pytest.mark.parametrize("sentence, said", SAYS)
def test_what_the_words_around_a_phrase_say_of_it(sentence, said):
    words = tokens(plain(sentence.format("pneumonia")))
    at = [token.word for token in words].index("pneumonia")
    assert meanings(words, Span(at, at + 1)) == said


def test_what_all_under_a_heading_is():
    """Each `time` and `about` that a heading alone makes; another heading, or none, makes none."""
    how = {"family": {"about": ("family",)}, "past": {"time": ("historical",)}, "if": {"time": ("hypothetical",)}}
    scanner = Scanner({name: Mention(phrases=("gout",), notes=("n",), **said) for name, said in how.items()})
    headings = {"FAMILY HISTORY": {"family"}, "Past medical history": {"past"}, "Allergies": {"if"}, "Plan": set()}
    assert {h: scanner.said_in(f"{h}:\nGout".encode()) for h in headings} == headings


def test_a_phrase_does_not_speak_of_itself():
    """`no history of` in the phrase is part of it, and says nothing about it."""
    words = tokens("failure to thrive, no doubt")
    assert meanings(words, Span(0, 3)) == set()
    mention = Mention(phrases=("rule out sepsis",), notes=("n",))
    assert Scanner({1: mention}).said_in(b"Plan: rule out sepsis") == {1}


def test_several_mentions_are_looked_for_at_once_and_told_apart():
    mentions = {
        "yes": Mention(phrases=("heart failure", "chf"), notes=("n",)),
        "no": Mention(phrases=("Heart  Failure",), notes=("n",), polarity=("negated",)),
        "other": Mention(phrases=("heart attack",), notes=("n",)),
    }
    scanner = Scanner(mentions)
    assert scanner.said_in(b"CHF. No heart\n failure") == {"yes", "no"}
    assert scanner.said_in(b"heart-failure, Heartfailure, chfs") == set()


def test_what_is_no_text_says_nothing_and_a_book_is_read_so_far():
    scanner = Scanner({"x": Mention(phrases=("sepsis",), notes=("n",))})
    assert scanner.said_in(b"\xff\xfe sepsis \x00") == {"x"}
    assert scanner.said_in(b" " * MOST_CHARACTERS + b"sepsis") == set()
    assert scanner.said_in(b"") == set()


def test_every_mention_that_a_study_may_hold_can_be_said():
    dice, said = Random(1), 0
    for polarity, about, time in product(get_args(Polarity), get_args(Person), get_args(Time)):
        for section in (None, *get_args(Section)):
            where = () if section is None else (section,)
            how = {"polarity": (polarity,), "about": (about,), "time": (time,), "sections": where}
            try:
                mention = Mention(phrases=("heart failure",), notes=("n",), **how)
            except ValidationError as refused:
                assert "does not accept" in str(refused)
                continue
            text = saying(mention, dice).encode()
            said += Scanner({1: mention}).said_in(text) == {1}
            other = {"polarity": tuple(p for p in get_args(Polarity) if p != polarity)}
            assert Scanner({1: Mention(phrases=("heart failure",), notes=("n",), **how | other)}).said_in(text) == set()
    assert said == 396 - 39
