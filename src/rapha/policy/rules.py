"""SiteRules: what a hospital permits, as data. What is not named here is refused.

People write it as YAML (see `docs/rules.md`); the digest of the record, not of the file, goes into every approval,
so that a comment may be edited without asking every steward again.
"""

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic_core import PydanticCustomError

from rapha.records.audit import ACCEPTED_MEMORY, AuditLimits
from rapha.records.dense import Modality
from rapha.records.ledger import MICRO, PICO, Spend
from rapha.records.record import Real, Record, Slug
from rapha.records.release import Layer
from rapha.records.study import DataUse

ACCEPTED_RISK = "i-accept-that-code-can-reach-this-machine"

Architecture = Literal[
    "logistic", "mlp", "cox", "deep-survival", "gru", "text-classifier", "image-classifier", "late-fusion",
]  # fmt: skip
Name = Annotated[str, Field(min_length=1, max_length=120)]


def _any_or_list(value: Any) -> Any:
    listed = isinstance(value, list | tuple) and "any" not in value and all(isinstance(name, str) for name in value)
    if value == "any" or listed:
        return value
    raise PydanticCustomError("researchers", "write `researchers: any`, or a list of names: `[Ada Lovelace]`")


Researchers = Annotated[Literal["any"] | tuple[Name, ...], BeforeValidator(_any_or_list)]
"""`any`, or names exactly as the hub writes them in a dispatch."""


class AutomaticRule(Record):
    """A study that meets all four conditions, and the site's permit, needs no person. All four are named."""

    rule: Slug
    researchers: Researchers
    purposes: Annotated[tuple[DataUse, ...], Field(min_length=1, max_length=20)]
    architectures: Annotated[tuple[Architecture, ...], Field(min_length=1)]
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1)]


class Unisolated(Record):
    """The ugly name: code of strangers may run without walls."""

    unisolated_allowed: Literal["i-accept-that-code-can-reach-this-machine"]


class Demand(Record):
    """Walls, and these layers among them."""

    demand: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=20)]


def _sandbox(value: Any) -> Any:
    if isinstance(value, Unisolated | Demand) or value in ("required", {"unisolated_allowed": ACCEPTED_RISK}):
        return value
    if isinstance(value, dict) and set(value) == {"demand"} and isinstance(value["demand"], list | tuple):
        if strange := [word for word in value["demand"] if word not in get_args(Layer)]:
            raise PydanticCustomError("layer", "no layer is called {name}", {"name": str(strange[0])[:40]})
        return value
    raise PydanticCustomError(
        "sandbox",
        f"write `sandbox: required`, or `{{demand: [seccomp, landlock]}}`; `{{unisolated_allowed: {ACCEPTED_RISK}}}` "
        "is for machines of trial data",
    )


def _audit(value: Any) -> Any:
    if value is None or isinstance(value, dict | AuditLimits):
        return value
    raise PydanticCustomError(
        "audit",
        "write `audit: {recognised: 0.55, too_few: release}`; "
        f"`{{unaudited_allowed: {ACCEPTED_MEMORY}}}` is for trial data",
    )


def _approve(value: Any) -> Any:
    if value == {"by": "steward"}:
        return ()
    if isinstance(value, dict) or not isinstance(value, list | tuple):
        raise PydanticCustomError("approve", "write `approve: {by: steward}`, or a list of named rules")
    if isinstance(value, list) and not value:
        raise PydanticCustomError("approve", "an empty list approves nothing: write `approve: {by: steward}`")
    return value


def _named_once(rules: tuple[AutomaticRule, ...]) -> tuple[AutomaticRule, ...]:
    names = [rule.rule for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise PydanticCustomError("twice", "two rules are called `{name}`", {"name": twice[0]})
    return rules


class PrivacyBudget(Record):
    """The most that all studies together may ever spend on this site's patients, by basic composition."""

    lifetime_epsilon: Annotated[Real, Field(gt=0, le=1000)]
    lifetime_delta: Annotated[Real, Field(gt=0, lt=1)]

    @property
    def limit(self) -> Spend:
        """As the ledger counts, rounded down."""
        return Spend(
            epsilon_micro=math.floor(self.lifetime_epsilon * MICRO), delta_pico=math.floor(self.lifetime_delta * PICO)
        )


class Feasibility(Record):
    """Who may ask for counts without a study: by name, each so often a day, and all together so often for ever."""

    researchers: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100)]
    a_day: Annotated[int, Field(ge=1, le=1000)]
    in_all: Annotated[int, Field(ge=1, le=1000)]


class SiteRules(Record):
    """A study is permitted when every line below holds of it; it runs without a person only under a rule of `approve`.

    `purposes` are GA4GH Data Use Ontology codes, compared letter by letter: a broad code does not imply a narrow one.
    `minimum_cohort` is the least `privacy.min_cohort` that a study may ask for. `approve` empty: a steward signs each.
    Without `privacy` there is no budget, and a study with differential privacy, which would spend of it, is refused.
    Without `feasibility` nobody is told a count before a yes to a study. Without `audit` every release is audited, under the limits
    that `AuditLimits` has of itself.
    """

    modalities: tuple[Modality, ...]
    purposes: tuple[DataUse, ...]
    researchers: Researchers
    architectures: tuple[Architecture, ...]
    minimum_cohort: Annotated[int, Field(ge=10, le=1_000_000)]
    sandbox: Annotated[Literal["required"] | Demand | Unisolated, BeforeValidator(_sandbox)]
    privacy: PrivacyBudget | None = None
    feasibility: Feasibility | None = None
    audit: Annotated[AuditLimits | None, BeforeValidator(_audit)] = None
    approve: Annotated[
        tuple[AutomaticRule, ...],
        BeforeValidator(_approve),
        AfterValidator(_named_once),
        PlainSerializer(lambda rules: [r.as_json() for r in rules] or {"by": "steward"}, when_used="json"),
    ]

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Rules that leave out what may be left out keep the digest that they had before it could be there."""
        written: dict[str, Any] = serialise(self)
        optional = ("privacy", "feasibility", "audit")
        return {key: value for key, value in written.items() if key not in optional or value is not None}

    @property
    def audit_limits(self) -> AuditLimits | None:
        """Those that every release is held against; None where the site's rules want no audit."""
        limits = self.audit or AuditLimits()
        return None if limits.unaudited_allowed else limits

    @property
    def isolation_required(self) -> bool:
        """Whether a workload may only run behind the sandbox's walls."""
        return not isinstance(self.sandbox, Unisolated)

    @property
    def demanded_layers(self) -> frozenset[str]:
        """The layers that a sandbox must have, by name; none named: those of any backend that isolates."""
        return frozenset(self.sandbox.demand) if isinstance(self.sandbox, Demand) else frozenset()
