"""A study in plain sentences."""

import delivered_sample as sample

from rapha.sdk.study_file import parse_study
from rapha.sdk.words import in_words

EXAMPLE = (sample.CHECKOUT / "examples/diabetes-within-5-years/study.yaml").read_text()


def said(text: str, title: str) -> tuple[str, ...]:
    return {section.title: section.sentences for section in in_words(parse_study(text))}[title]


def test_who_is_studied() -> None:
    assert said(EXAMPLE, "Who is studied") == (
        "A patient enters at the first record of cholesterol or hdl. That moment is the index.",
        "To be in: aged 18 or over at the index.",
        "To be in: no record of diabetes at any time up to and including the index.",
    )


def test_every_kind_of_criterion() -> None:
    rows = """  exclude:
    - {age: {at_least: 40, at_most: 60}}
    - {age: {at_most: 30}}
    - {sex: male}
    - {observed: {before: 1 year}}
    - {any_of: [hdl, bmi], at_least: 3, during: {before: index, for: 30 days}}
    - {all_of: [hdl, bmi], during: {from: index, for: 2 weeks}}
"""
    assert said(EXAMPLE.replace("\noutcome:", rows + "\noutcome:"), "Who is studied")[3:] == (
        "Left out: aged 40 to 60 at the index.",
        "Left out: aged 30 or under at the index.",
        "Left out: male sex.",
        "Left out: under observation, without a gap, for 1 year up to the index.",
        "Left out: at least 3 records of hdl or bmi in the 30 days before the index.",
        "Left out: a record of hdl and bmi in the 2 weeks after the index.",
        "Mind: who is in depends on what happens after the index, which nobody knows then: such a group can be told apart only later.",
    )


def test_the_outcome_says_what_becomes_of_the_dead_and_the_lost() -> None:
    assert said(EXAMPLE, "What is predicted") == (
        "Whether diabetes is recorded in the 5 years after the index.",
        "If death comes first, it makes a patient neither case nor control.",
        "A patient not observed for the whole 5 years, and without diabetes, is unknown and set apart.",
    )


def test_a_sequence_and_a_gru() -> None:
    text = EXAMPLE.replace("architecture: mlp, hidden: [32, 16]", "architecture: gru").replace(
        "  - {demographic: sex}",
        "  - {sequence: [hdl, bmi], during: {until: index}, at_most: 8}\n  - {max: hdl, during: {until: index}}",
    )
    assert said(text, "What the model sees")[-2:] == (
        "The last 8 records of hdl and bmi, in order, at any time up to and including the index.",
        "Highest value of hdl at any time up to and including the index.",
    )
    assert "recurrent network (GRU, 64 units)" in said(text, "How it learns")[0]


def test_that_there_is_no_differential_privacy_is_said() -> None:
    assert said(EXAMPLE, "What holds for every hospital")[-1] == "No differential privacy is applied."


def test_what_a_fusion_does_with_those_who_lack_something() -> None:
    text = (
        EXAMPLE.replace("architecture: mlp, hidden: [32, 16]", "architecture: late-fusion")
        .replace("modalities: [ehr]", "modalities: [ehr, text]")
        .replace("  - {demographic: sex}", "  - {note: hdl, during: {until: index}}")
    )
    assert "A patient without one of them stays in" in said(text, "How it learns")[0]


def test_a_note_and_what_reads_it() -> None:
    text = (
        EXAMPLE.replace("architecture: mlp, hidden: [32, 16]", "architecture: text-classifier")
        .replace("modalities: [ehr]", "modalities: [ehr, text]")
        .replace("  - {demographic: sex}", "  - {note: hdl, during: {until: index}, at_most: 500}")
    )
    assert said(text, "What the model sees")[-1] == (
        "The text of the last hdl at any time up to and including the index, up to 500 bytes."
    )
    assert "over the words of a note" in said(text, "How it learns")[0]
