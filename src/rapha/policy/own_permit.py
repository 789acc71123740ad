"""A PERMIT OF THE HOSPITAL'S OWN, in Cedar: what the other lines of the rules have no words for. It can only narrow them.

One `permit`, checked against one schema when the rules are read. No `forbid`: in Cedar one that cannot be evaluated is skipped, and
what it forbids is allowed. It permits where Cedar says Allow, for a reason, without any error; whatever else happens, it does not.

    cedar: |
      permit (principal, action, resource) when {
        context.rounds <= 50 && context.epsilon_micro <= 3000000 };
"""

import json
from functools import lru_cache
from types import ModuleType
from typing import Any

from pydantic_core import PydanticCustomError

from rapha.records.decision import Facts

SCHEMA = """
entity Researcher;
entity Study;
action "run" appliesTo {
  principal: Researcher,
  resource: Study,
  context: {
    modalities: Set<String>,
    data_use: Set<String>,
    diseases: Set<String>,
    institution: String,
    country: String,
    architecture: String,
    mode: String,
    min_cohort: Long,
    rounds: Long,
    differentially_private: Bool,
    epsilon_micro: Long,
    delta_pico: Long,
    isolated: Bool,
    layers: Set<String>,
  }
};
"""
"""All that a permit may look at. What a study does not state is an empty text. Numbers are whole: Cedar has no others."""
INSTALL = "the rules have a `cedar` permit, and cedarpy is not installed: pip install 'rapha[cedar]'"


def check_own_permit(text: str) -> str:
    """The text, once it is one permit that fits the schema. Raises PydanticCustomError with the first mistake."""
    cedar = _cedar()
    if cedar is None:
        raise PydanticCustomError("cedar", INSTALL)
    try:
        found = json.loads(cedar.policies_to_json_str(text))
    except Exception as error:
        raise PydanticCustomError("cedar", "not readable as Cedar: {why}", {"why": _first_line(error)}) from None
    policies = list(found["staticPolicies"].values())
    if len(policies) != 1 or found["templates"] or found["templateLinks"] or policies[0]["effect"] != "permit":
        raise PydanticCustomError("cedar", "write exactly one `permit`, with every condition in it, and no `forbid`")
    checked = cedar.validate_policies(text, SCHEMA)
    if not checked.validation_passed:
        why = _first_line(checked.errors[0]) if checked.errors else "it does not fit"
        raise PydanticCustomError("cedar", "does not fit the schema: {why}", {"why": why})
    return text


def permits(facts: Facts, text: str) -> bool:
    """Whether the permit permits. False where anything breaks."""
    try:
        check_own_permit(text)
        return _allowed(facts, text)
    except BaseException as broken:  # Cedar is another language's code: its panics are no Exceptions
        if isinstance(broken, KeyboardInterrupt | SystemExit):
            raise
        return False


def _allowed(facts: Facts, text: str) -> bool:
    cedar = _cedar()
    if cedar is None:
        return False
    request = {
        "principal": {"type": "Researcher", "id": facts.researcher},
        "action": {"type": "Action", "id": "run"},
        "resource": {"type": "Study", "id": facts.study},
        "context": context_of(facts),
    }
    answer = cedar.is_authorized(request, text, [], SCHEMA)
    return (
        answer.decision is cedar.Decision.Allow
        and len(answer.diagnostics.errors) == 0
        and len(answer.diagnostics.reasons) == 1
    )


def context_of(facts: Facts) -> dict[str, Any]:
    """What the schema declares, of these facts."""
    return {
        "modalities": list(facts.modalities),
        "data_use": list(facts.data_use),
        "diseases": list(facts.diseases),
        "institution": facts.institution or "",
        "country": facts.country or "",
        "architecture": facts.architecture,
        "mode": facts.mode,
        "min_cohort": facts.min_cohort,
        "rounds": facts.rounds,
        "differentially_private": facts.epsilon_micro > 0,
        "epsilon_micro": facts.epsilon_micro,
        "delta_pico": facts.delta_pico,
        "isolated": facts.isolated,
        "layers": list(facts.layers),
    }


@lru_cache(maxsize=1)
def _cedar() -> ModuleType | None:
    try:
        import cedarpy
    except ImportError:
        return None
    return cedarpy


def _first_line(error: object) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:200]
