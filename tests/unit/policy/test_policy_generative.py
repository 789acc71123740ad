"""Adapters that learn to write: none unless the rules say so."""

import pytest

from rapha.errors import ConfigurationError
from rapha.policy.decide import Allowed, Refused, Request, decide
from rapha.policy.explanation import explained, in_words
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.language import PROJECTIONS
from rapha.records.study import Study
from rapha.sdk.study_file import parse_study

RULES = """
modalities: [ehr, text]
purposes: [DUO:0000006]
researchers: any
architectures: [logistic, causal-lora]
{line}minimum_cohort: 25
sandbox: required
approve: [{{rule: routine, researchers: any, purposes: [DUO:0000006], architectures: [logistic, causal-lora], modalities: [ehr, text]}}]
"""
FILE = """
study: adapter
purpose: {sentence: Try an adapter., data_use: [DUO:0000006]}
data: {modalities: [ehr, text]}
concepts: {stroke: {system: local, codes: [stroke]}, letter: {system: local, codes: [letter]}}
cohort: {index: {first: [letter]}}
outcome: {event: stroke, during: {from: index, for: 1 year}, unobserved: exclude}
features: [{note: letter, during: {until: index, for: 1 day}}]
model: {architecture: text-classifier}
training: {batch_size: 16}
"""
MODEL = {
    "architecture": "causal-lora", "base": "sha256:" + "1" * 64, "size_bytes": 10, "layers": 1,
    "projections": {name: [4, 4] for name in PROJECTIONS},
}  # fmt: skip


def rules(line: str = "") -> SiteRules:
    return read_rules(RULES.format(line=line))


def asked(learns: str, **model: object) -> Request:
    study = Study.model_validate(parse_study(FILE).as_json() | {"model": {**MODEL, "learns": learns, **model}})
    return Request(study=study, researcher="Ada", isolated=True)


def test_rules_that_say_nothing_permit_no_adapter_that_writes() -> None:
    assert decide(asked("text"), rules()) == Refused(reason="architecture-not-allowed", rule="generative")
    assert isinstance(decide(asked("outcome"), rules()), Allowed)


@pytest.mark.parametrize(
    ("line", "exposure"), [("generative: permitted\n", 3.0), ("generative: {exposure: 2.5}\n", 2.5)]
)
def test_rules_that_say_so_permit_them(line: str, exposure: float) -> None:
    said = rules(line)
    assert isinstance(decide(asked("text"), said), Allowed)
    assert said.generative is not None and said.generative.exposure == exposure
    assert any(f"{exposure:g} bits" in sentence for sentence in in_words(said))


@pytest.mark.parametrize("line", ["generative: yes\n", "generative: {exposure: 9}\n", "generative: {bits: 3}\n"])
def test_rules_that_say_it_wrongly_are_no_rules(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"generative|exposure"):
        rules(line)


def test_without_the_line_rules_and_facts_are_written_as_they_were() -> None:
    assert "generative" not in rules().as_json()
    assert "generative" not in asked("outcome").facts.as_json() and asked("text").facts.as_json()["generative"] is True
    (line,) = [one for one in explained(asked("text").facts, rules()) if one.line == "generative"]
    assert not line.holds and "not permitted" in line.sentence


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"targets": ["q_proj", "q_proj"]}, "twice"), ({"targets": ["lm_head"]}, "q_proj"), ({"projections": {"q_proj": [4, 4]}}, "at least 7"),
     ({"rank": 0}, "greater than or equal to 1")],
)  # fmt: skip
def test_an_adapter_that_cannot_be_is_no_study(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        asked("text", **wrong)


def test_it_reads_a_note_and_no_number() -> None:
    stated = parse_study(FILE).as_json() | {"model": {**MODEL, "learns": "text"}}
    stated["features"] = [*stated["features"], {"demographic": "age"}]
    with pytest.raises(ValueError, match="leave `age` out"):
        Study.model_validate(stated)
