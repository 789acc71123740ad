"""Release modes: A alone unless the rules say more; C never without a person; a script behind every layer."""

from datetime import UTC, datetime

import pytest

from rapha.policy.decide import FOR_SCRIPTS, Allowed, NeedsPerson, Refused, Request, decide, decide_again
from rapha.policy.explanation import in_words, wide
from rapha.policy.rules_file import read_rules
from rapha.records.metrics import Count
from rapha.records.record import DispatchId, SiteId
from rapha.records.site import Approval
from rapha.records.study import Study
from rapha.sdk.study_file import parse_study

RULES = """
modalities: [ehr]
purposes: [DUO:0000006]
researchers: any
architectures: [logistic, script]
{modes}minimum_cohort: 25
sandbox: required
approve: [{{rule: routine, researchers: any, purposes: [DUO:0000006], architectures: [logistic, script], modalities: [ehr]}}]
"""
TERMS = {"epsilon": 3, "delta": 1e-5, "ranges": {"age": [18, 100]}}
MODEL = {"architecture": "script", "script": "sha256:" + "1" * 64, "size_bytes": 10, "tensors": {"line": [3]}}
FILE = """
study: own-script
purpose: {sentence: Try a script., data_use: [DUO:0000006]}
data: {modalities: [ehr]}
concepts: {stroke: {system: local, codes: [stroke]}}
cohort: {index: {first: [stroke]}}
outcome: {event: stroke, during: {from: index, for: 1 year}, unobserved: exclude}
features: [{demographic: age}]
model: {architecture: logistic}
"""
LAYERS = tuple(FOR_SCRIPTS)


def rules(modes: str = ""):
    return read_rules(RULES.format(modes=modes))


def asked(mode: str, layers: tuple[str, ...] = LAYERS) -> Request:
    stated = parse_study(FILE).as_json()
    if mode == "B":
        stated |= {"model": {**MODEL, "mode": "B", "shards": 8}, "privacy": {"differential_privacy": TERMS}}
    if mode == "C":
        stated |= {"model": {**MODEL, "mode": "C"}}
    study = Study.model_validate(stated)
    return Request(study=study, researcher="Ada", isolated=True, layers=layers)


@pytest.mark.parametrize("mode", ["B", "C"])
def test_rules_that_say_nothing_of_modes_run_no_script(mode):
    assert decide(asked(mode), rules()) == Refused(reason="mode-not-offered", rule="modes")
    assert isinstance(decide(asked("A", ()), rules()), Allowed)


@pytest.mark.parametrize("mode", ["B", "C"])
def test_a_rule_alone_lets_no_script_in(mode):
    assert isinstance(decide(asked(mode), rules("modes: [A, B, C]\n")), NeedsPerson)


@pytest.mark.parametrize("mode", ["B", "C"])
def test_an_approval_of_a_script_by_a_rule_does_not_hold(mode):
    offered, request = rules("modes: [A, B, C]\n"), asked(mode)
    given = {
        "dispatch": DispatchId("d-1"), "study_digest": request.study.digest, "site": SiteId("north"), "mode": mode,
        "policy_digest": offered.digest, "feasible": Count(about=100), "at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    assert decide_again(request, offered, Approval(decided_by="rule:routine", **given)) is not None
    assert decide_again(request, offered, Approval(decided_by="steward:eve", **given)) is None


@pytest.mark.parametrize("missing", sorted(FOR_SCRIPTS))
def test_a_script_runs_behind_every_layer_or_not_at_all(missing):
    layers = tuple(layer for layer in LAYERS if layer != missing)
    for mode in "BC":
        answer = decide(asked(mode, layers), rules("modes: [A, B, C]\n"))
        assert answer == Refused(reason="sandbox-layer-missing", rule="sandbox")
    assert isinstance(decide(asked("A", layers), rules("modes: [A, B, C]\n")), Allowed)


def test_rules_without_modes_keep_their_digest_and_modes_are_said_in_words():
    assert rules().digest == rules("modes: [A]\n").digest != rules("modes: [A, C]\n").digest
    assert "modes" not in rules().as_json()
    assert any("Release modes: A, C" in line for line in in_words(rules("modes: [A, C]\n")))
    assert any(line.startswith("modes: C") for line in wide(rules("modes: [A, C]\n"))) and not any(
        line.startswith("modes") for line in wide(rules("modes: [A, B]\n"))
    )
