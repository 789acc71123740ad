"""MAY DATA OF THESE TERMS SERVE THIS PURPOSE? GA4GH Data Use Ontology (DUO), matched. Pure; deny by default.

DUO defines its terms in words only. What is followed here: its definitions and hierarchy (github.com/EBISPOT/DUO), and the
matching published for DUOS (github.com/DataBiosphere/consent-ontology, docs/Algorithms.md), on three points more strictly: a
disease must be listed itself, its parents do not do; no methods research means none; what is not stated is not met.

A study states its purpose by a permission (HMB: "we need no more than health, medical or biomedical research"), and by the
codes of the conditions that it undertakes to keep. That it says so is all that is checked: a person reads the rest.
"""

from collections.abc import Iterable
from datetime import UTC, date
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.decision import Facts
from rapha.records.record import Record
from rapha.records.release import ReasonCode

NRES, GRU, HMB, DS, POA = "DUO:0000004", "DUO:0000042", "DUO:0000006", "DUO:0000007", "DUO:0000011"

WITHIN: dict[str, frozenset[str]] = {
    NRES: frozenset({NRES, GRU, HMB, DS, POA}),
    GRU: frozenset({GRU, HMB, DS, POA}),
    HMB: frozenset({HMB, DS}),
    DS: frozenset({DS}),
    POA: frozenset({POA}),
}
"""A permission of the data, and the stated purposes that lie within it. DS within DS only of a disease that is listed."""

ConditionCode = Literal[
    "DUO:0000012", "DUO:0000015", "DUO:0000016", "DUO:0000018", "DUO:0000019", "DUO:0000020", "DUO:0000021", "DUO:0000022",
    "DUO:0000024", "DUO:0000025", "DUO:0000026", "DUO:0000027", "DUO:0000028", "DUO:0000029", "DUO:0000044", "DUO:0000045",
    "DUO:0000046",
]  # fmt: skip
NPUNCU, NPU, NCU = "DUO:0000018", "DUO:0000045", "DUO:0000046"
METHODS, POPULATION, ANCESTRY = "DUO:0000031", "DUO:0000032", "DUO:0000033"
INVESTIGATIONS = frozenset(f"DUO:00000{n}" for n in range(31, 41))
"""What kind of research a study is: method development, population, ancestry, ... disease category research."""

SHORT: dict[str, str] = {
    NRES: "NRES, no restriction", GRU: "GRU, general research", HMB: "HMB, health or biomedical research",
    DS: "DS, research on named diseases", POA: "POA, population origins or ancestry",
    "DUO:0000012": "RS, research of a certain type", "DUO:0000015": "NMDS, no methods research",
    "DUO:0000016": "GSO, genetic studies only", NPUNCU: "NPUNCU, not for profit and not commercial",
    "DUO:0000019": "PUB, results are published", "DUO:0000020": "COL, collaboration with the hospital",
    "DUO:0000021": "IRB, ethics approval", "DUO:0000022": "GS, within a region", "DUO:0000024": "MOR, no publication before a date",
    "DUO:0000025": "TS, until a date", "DUO:0000026": "US, named users", "DUO:0000027": "PS, named projects",
    "DUO:0000028": "IS, named institutions", "DUO:0000029": "RTN, derived data come back",
    "DUO:0000044": "NPOA, no population origins or ancestry", NPU: "NPU, not-for-profit organisations", NCU: "NCU, not commercial",
}  # fmt: skip
_UNDERTAKEN = frozenset({"DUO:0000019", "DUO:0000020", "DUO:0000024", "DUO:0000029"})
_ONLY = frozenset({"DUO:0000012", "DUO:0000022", "DUO:0000026", "DUO:0000027", "DUO:0000028"})
_UNTIL = frozenset({"DUO:0000024", "DUO:0000025"})


class Condition(Record):
    """A DUO modifier on the data. `only`: the investigations (RS), countries (GS), researchers (US), studies (PS) or institutions
    (IS) that it names. `until`: the last day of use (TS), or the day before which nothing is published (MOR)."""

    code: ConditionCode
    only: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=120)], ...], Field(max_length=200)] = ()
    until: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"code": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole(self) -> "Condition":
        for key, codes in (("only", _ONLY), ("until", _UNTIL)):
            if bool(getattr(self, key)) != (self.code in codes):
                says = "needs" if self.code in codes else "takes no"
                raise PydanticCustomError(
                    "condition", "{code} ({name}) {says} `{key}`: {{code: {code}, {key}: ...}}",
                    {"code": self.code, "name": SHORT[self.code], "says": says, "key": key},
                )  # fmt: skip
        return self

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        only = {"only": list(self.only)} if self.only else {}
        return {"code": self.code} | only | ({"until": self.until.isoformat()} if self.until else {})


def serves(facts: Facts, purposes: Iterable[str], diseases: Iterable[str]) -> bool:
    """Whether data that permit `purposes` (those of `DS` by `diseases`) may serve every purpose that the study states.

    A study that states none, or a code that no permission here knows, is not served.
    """
    stated = {code for code in facts.data_use if code in WITHIN}
    offered, listed = set(purposes), set(diseases)
    known = stated | INVESTIGATIONS | set(get_args(ConditionCode))
    return (
        bool(stated)
        and set(facts.data_use) <= known
        and all(any(_within(facts, purpose, one, listed) for one in offered) for purpose in stated)
    )


def _within(facts: Facts, purpose: str, permission: str, diseases: set[str]) -> bool:
    if purpose not in WITHIN.get(permission, ()):
        return False
    return permission != DS or (bool(facts.diseases) and set(facts.diseases) <= diseases)


def unmet(facts: Facts, conditions: Iterable[Condition]) -> Condition | None:
    """The first condition on the data that the study does not meet, or None."""
    return next((condition for condition in conditions if _met(facts, condition) is not True), None)


def advice(facts: Facts, published: Iterable[str]) -> ReasonCode | None:
    """Why a study is not worth asking a site for that publishes these codes, or None. Codes alone: what depends on names, places,
    dates or diseases only the site can say. A site that publishes none is asked."""
    codes = set(published)
    if not codes:
        return None
    if not serves(facts, codes & WITHIN.keys(), facts.diseases):
        return "purpose-not-allowed"
    plain = (Condition(code=code) for code in get_args(ConditionCode) if code in codes - _ONLY - _UNTIL)
    return "data-use-not-met" if unmet(facts, plain) else None


def _met(facts: Facts, condition: Condition) -> bool:
    stated, only = set(facts.data_use), set(condition.only)
    investigations = stated & INVESTIGATIONS
    match condition.code:
        case "DUO:0000012":  # RS
            return bool(investigations) and investigations <= only
        case "DUO:0000015":  # NMDS
            return bool(investigations) and METHODS not in investigations
        case "DUO:0000016":  # GSO
            return "genomics" in facts.modalities
        case "DUO:0000018":
            return NPUNCU in stated or {NPU, NCU} <= stated
        case "DUO:0000045" | "DUO:0000046":
            return bool(stated & {NPUNCU, condition.code})
        case "DUO:0000021":  # IRB
            return condition.code in stated and bool(facts.ethics_approval)
        case "DUO:0000022":  # GS
            return facts.country in only
        case "DUO:0000025":  # TS
            return (
                facts.at is not None
                and condition.until is not None
                and facts.at.astimezone(UTC).date() <= condition.until
            )
        case "DUO:0000026":  # US
            return facts.researcher in only
        case "DUO:0000027":  # PS
            return facts.study in only
        case "DUO:0000028":  # IS
            return facts.institution in only
        case "DUO:0000044":  # NPOA
            return bool(stated & {HMB, DS}) and not stated & {NRES, GRU, POA, POPULATION, ANCESTRY}
        case _:  # PUB, COL, MOR, RTN: the study says that it will
            return condition.code in _UNDERTAKEN and condition.code in stated
