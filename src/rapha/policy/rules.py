"""SiteRules: what a hospital permits, as data. What is not named here is refused.

People write it as YAML (see `docs/rules.md`); the digest of the record, not of the file, goes into every approval,
so that a comment may be edited without asking every steward again.
"""

import math
import re
from datetime import datetime, time
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rapha.policy.data_use import DS, Condition
from rapha.policy.own_permit import check_own_permit
from rapha.policy.stewards import Stewards
from rapha.records.audit import ACCEPTED_MEMORY, AuditLimits, GenerativeLimits
from rapha.records.dense import Modality
from rapha.records.ledger import MICRO, PICO, Spend
from rapha.records.record import Real, Record, Slug
from rapha.records.release import Layer
from rapha.records.script import Mode
from rapha.records.study import DataUse, Disease

ACCEPTED_RISK = "i-accept-that-code-can-reach-this-machine"
SEEN_RISK = "i-accept-that-a-model-sees-names-in-notes"

Architecture = Literal[
    "logistic", "linear", "mlp", "cox", "deep-survival", "gru", "text-classifier", "image-classifier", "segmenter",
    "variant-classifier", "late-fusion", "gwas", "exported", "script", "causal-lora",
]  # fmt: skip
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
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


class AsWritten(Record):
    """Notes enter the sandbox as they are written, names and all."""

    as_written: Literal["i-accept-that-a-model-sees-names-in-notes"]


def _notes(value: Any) -> Any:
    if isinstance(value, AsWritten) or value in ("hidden", {"as_written": SEEN_RISK}):
        return value
    raise PydanticCustomError(
        "notes",
        f"write `notes: hidden`, or leave it out; `{{as_written: {SEEN_RISK}}}` lets a model see the names in notes",
    )


def _generative(value: Any) -> Any:
    if value == "permitted":
        return GenerativeLimits()
    if value is None or isinstance(value, dict | GenerativeLimits):
        return value
    raise PydanticCustomError(
        "generative", "write `generative: permitted`, or a limit of your own: `{exposure: 2.5}`; or leave it out"
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


def _time(value: Any) -> Any:
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    raise PydanticCustomError("hours", 'write a time in quotes, of 24 hours: "20:00"')


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError(
            "hours", "no time zone of that name is known here: as in Europe/Madrid, or UTC"
        ) from None
    return name


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


class Hours(Record):
    """When work may touch data: from, until, every day; over midnight where `from` is the later. `zone`: as in Europe/Madrid."""

    opens: Annotated[time, Field(alias="from"), BeforeValidator(_time)]
    until: Annotated[time, BeforeValidator(_time)]
    zone: Annotated[str, AfterValidator(_zone)]

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    @model_validator(mode="after")
    def _some(self) -> "Hours":
        if self.opens == self.until:
            raise PydanticCustomError("hours", "`from` and `until` are the same: leave `hours` out for the whole day")
        return self

    @model_serializer
    def _as_written(self) -> dict[str, str]:
        return {"from": f"{self.opens:%H:%M}", "until": f"{self.until:%H:%M}", "zone": self.zone}

    def open_at(self, moment: datetime) -> bool:
        """Whether work may touch data at this moment."""
        local = moment.astimezone(ZoneInfo(self.zone)).time()
        if self.opens < self.until:
            return self.opens <= local < self.until
        return local >= self.opens or local < self.until


class SiteRules(Record):
    """A study is permitted when every line below holds of it; it runs without a person only under a rule of `approve`.

    `purposes`, with the `diseases` of DUO:0000007, and `conditions` are GA4GH Data Use Ontology terms of the data, matched by
    `data_use.py`. `runs_per_project`: how often one researcher may run studies of one purpose. `hours`: when work may touch data.
    `stewards`: who may sign, by their own key, and how many have to; without it, whoever holds the node's home, under any name.
    `modes`: the release modes offered (`records/script.py`); none but A, where nothing is said. In mode C a steward signs each study.
    `cedar`: a permit of the site's own, which can only narrow the lines above (`own_permit.py`). `minimum_cohort` is the least `privacy.min_cohort` that a study may ask for. `approve` empty: a steward signs each.
    Without `privacy` there is no budget, and a study with differential privacy, which would spend of it, is refused.
    Without `feasibility` nobody is told a count before a yes to a study. Without `audit` every release is audited, under the limits
    that `AuditLimits` has of itself. Without `generative` no adapter that learns to write is trained. `notes`: names, dates and numbers in notes are hidden before a model sees them, unless
    it is said that they are not.
    """

    modalities: tuple[Modality, ...]
    purposes: tuple[DataUse, ...]
    diseases: Annotated[tuple[Disease, ...], Field(max_length=2000)] = ()
    conditions: Annotated[tuple[Condition, ...], Field(max_length=30)] = ()
    researchers: Researchers
    architectures: tuple[Architecture, ...]
    modes: Annotated[tuple[Mode, ...], Field(min_length=1, max_length=3)] = ("A",)
    minimum_cohort: Annotated[int, Field(ge=10, le=1_000_000)]
    sandbox: Annotated[Literal["required"] | Demand | Unisolated, BeforeValidator(_sandbox)]
    privacy: PrivacyBudget | None = None
    feasibility: Feasibility | None = None
    notes: Annotated[Literal["hidden"] | AsWritten, BeforeValidator(_notes)] = "hidden"
    audit: Annotated[AuditLimits | None, BeforeValidator(_audit)] = None
    generative: Annotated[GenerativeLimits | None, BeforeValidator(_generative)] = None
    runs_per_project: Annotated[int, Field(ge=1, le=100_000)] | None = None
    hours: Hours | None = None
    stewards: Stewards | None = None
    cedar: Annotated[str, Field(min_length=1, max_length=20_000), AfterValidator(check_own_permit)] | None = None
    approve: Annotated[
        tuple[AutomaticRule, ...],
        BeforeValidator(_approve),
        AfterValidator(_named_once),
        PlainSerializer(lambda rules: [r.as_json() for r in rules] or {"by": "steward"}, when_used="json"),
    ]

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Rules without a key that may be absent keep the digest that they had before there was such a key."""
        written: dict[str, Any] = serialise(self)
        fields = type(self).model_fields
        said = {key: value for key, value in written.items() if value or fields[key].is_required()}
        unsaid = (("notes", "hidden"), ("modes", ["A"]), ("modes", ("A",)))
        return {key: value for key, value in said.items() if (key, value) not in unsaid}

    @model_validator(mode="after")
    def _diseases_named(self) -> "SiteRules":
        named = any(DS in purposes for purposes in (self.purposes, *(rule.purposes for rule in self.approve)))
        if named != bool(self.diseases):
            raise PydanticCustomError(
                "diseases", "DUO:0000007 is for named diseases: write both, or neither: `diseases: [MONDO:0005148]`"
            )
        return self

    @property
    def notes_as_written(self) -> bool:
        """Whether a model sees the names in notes."""
        return isinstance(self.notes, AsWritten)

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
