"""Rules that demand layers of the sandbox."""

from typing import get_args

import pytest

from rapha.errors import ConfigurationError
from rapha.node.sandbox.layers import OUTER
from rapha.policy.decide import FOR_SCRIPTS, Refused, Request, decide
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.release import Layer
from rapha.records.study import Study

LAYERS = tuple(layer for layer in get_args(Layer) if layer != "seccomp")


def asked(study: Study, layers: tuple[str, ...], isolated: bool = True) -> Request:
    return Request(study=study, researcher="Ada Lovelace", isolated=isolated, layers=layers)


@pytest.fixture
def demanding(rules_text: str) -> SiteRules:
    return read_rules(rules_text.replace("sandbox: required", "sandbox: {demand: [seccomp, landlock]}"))


def test_a_demanded_layer_that_is_missing_refuses_by_its_code(study: Study, demanding: SiteRules) -> None:
    assert decide(asked(study, LAYERS), demanding) == Refused(reason="sandbox-layer-missing", rule="sandbox")
    assert not isinstance(decide(asked(study, (*LAYERS, "seccomp")), demanding), Refused)


def test_layers_without_walls_are_no_sandbox(study: Study, demanding: SiteRules) -> None:
    bare = decide(asked(study, (*LAYERS, "seccomp"), isolated=False), demanding)
    assert bare == Refused(reason="sandbox-unavailable", rule="sandbox")


def test_rules_that_demand_nothing_more_ask_for_no_layer(study: Study, rules: SiteRules) -> None:
    assert not isinstance(decide(asked(study, ()), rules), Refused)


def test_a_layer_nobody_gives_is_a_mistake_in_the_file(rules_text: str) -> None:
    with pytest.raises(ConfigurationError, match="no layer is called moat"):
        read_rules(rules_text.replace("sandbox: required", "sandbox: {demand: [moat]}"))


def test_what_was_demanded_is_in_the_digest(rules: SiteRules, demanding: SiteRules) -> None:
    assert rules.digest != demanding.digest
    assert SiteRules.from_bytes(demanding.as_bytes()) == demanding


def test_the_names_are_those_that_the_backends_state() -> None:
    assert set(OUTER) <= set(get_args(Layer))


def test_a_control_group_can_be_demanded_and_a_script_needs_none(study: Study, rules_text: str) -> None:
    demanding = read_rules(rules_text.replace("sandbox: required", "sandbox: {demand: [control group]}"))
    without = tuple(layer for layer in get_args(Layer) if layer != "control group")
    assert decide(asked(study, without), demanding) == Refused(reason="sandbox-layer-missing", rule="sandbox")
    assert not isinstance(decide(asked(study, (*without, "control group")), demanding), Refused)
    assert not {"control group", "process limit"} & FOR_SCRIPTS
