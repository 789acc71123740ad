"""A TABLE OF CASES that a hospital keeps beside its rules: what should come of a study like this one? Pure but for reading files.

- case: a routine model of Ada Lovelace's
  facts: {researcher: Ada Lovelace, modalities: [ehr], data_use: [DUO:0000006], architecture: logistic, min_cohort: 50}
  expect: allowed
- case: the same for profit
  study: studies/diabetes.yaml      # a study file beside this one, and what differs from it
  facts: {researcher: Acme}
  expect: refused
  reason: data-use-not-met
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import Field, ValidationError

from rapha.errors import ConfigurationError
from rapha.policy.decide import Allowed, NeedsPerson, Refused, decide_facts
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_tree
from rapha.records.decision import Facts
from rapha.records.record import Record
from rapha.records.release import Layer, ReasonCode
from rapha.records.study import Study

MAX_CASES = 1000


class Case(Record):
    """One line of the table. Facts that are not stated: a machine with every layer, the first run, now; all else has to be."""

    case: Annotated[str, Field(min_length=1, max_length=200)]
    study: Annotated[str, Field(max_length=300)] | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    expect: Literal["allowed", "needs-person", "refused"]
    reason: ReasonCode | None = None


class Tried(NamedTuple):
    """A case, and what the rules said."""

    case: Case
    outcome: str
    reason: ReasonCode | None

    @property
    def passed(self) -> bool:
        """Whether it is what the hospital expects; a reason only where one is given."""
        return self.outcome == self.case.expect and self.case.reason in (None, self.reason)


def try_cases(path: Path, rules: SiteRules, read_study: Callable[[Path], Study], now: datetime) -> tuple[Tried, ...]:
    """Hold every case against the rules.

    Raises:
        ConfigurationError: the table cannot be read, is empty, or has a case that is none; says which.
        StudyError: a study that a case names is wrong.
    """
    tree = read_tree(path)
    if not isinstance(tree, list) or not 1 <= len(tree) <= MAX_CASES:
        raise ConfigurationError(f"{path}: a list of 1 to {MAX_CASES} cases is expected; docs/rules.md has an example")
    return tuple(_try(path, number, value, rules, read_study, now) for number, value in enumerate(tree, start=1))


def _try(
    path: Path, number: int, value: Any, rules: SiteRules, read_study: Callable[[Path], Study], now: datetime
) -> Tried:
    try:
        case = Case.model_validate(value)
        if (case.reason is not None) != (case.expect == "refused"):
            raise ConfigurationError(f"{path}: case {number}: a refusal has a reason, and nothing else has one")
        facts = _facts(case, path, read_study, now)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise ConfigurationError(f"{path}: case {number}: {where}: {first['msg']}") from None
    match decide_facts(facts, rules):
        case Allowed():
            return Tried(case, "allowed", None)
        case NeedsPerson():
            return Tried(case, "needs-person", None)
        case Refused(reason=reason):
            return Tried(case, "refused", reason)


def _facts(case: Case, path: Path, read_study: Callable[[Path], Study], now: datetime) -> Facts:
    machine = {"isolated": True, "layers": get_args(Layer), "runs_before": 0, "at": now}
    stated: dict[str, Any] = {"study": "a-case"}
    if case.study is not None:
        stated = Facts.of(read_study(path.parent / case.study), "nobody", True).model_dump(exclude=set(machine))
        stated.pop("researcher")
    return Facts.model_validate({**stated, **machine, **case.facts})
