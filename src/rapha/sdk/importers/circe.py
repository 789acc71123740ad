"""An OHDSI Circe cohort (ATLAS JSON) -> a study: who enters, and when. What is predicted, Circe does not say: it is asked.

Source of the rules: circe-be 1.11 and ohdsi-circepy 0.3.0, the SQL that they write. In the order in which Circe applies
them: entry events, observation before them, the first limit, additional criteria, the second limit, inclusion rules, the
third limit, the end of a stay in the cohort, and eras made one where they meet.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from rapha.errors import StudyError
from rapha.sdk.importers.circe_concepts import ConceptSets, Events, check_keys, listed, whole
from rapha.sdk.importers.circe_groups import Facts, Groups
from rapha.sdk.importers.draft import Draft, Rule, Untranslated, refuse, slug

LIMIT_BYTES = 8 << 20
_TOP = (
    "ConceptSets", "PrimaryCriteria", "AdditionalCriteria", "QualifiedLimit", "ExpressionLimit", "InclusionRules",
    "CensoringCriteria", "EndStrategy", "CollapseSettings", "CensorWindow", "Title", "cdmVersionRange",
)  # fmt: skip


@dataclass(frozen=True)
class CirceChoices:
    """What a Circe cohort leaves open, and what is so of the CDM.

    `outcome`: the number of a concept set, or `death`; `during`: how long from the index. `dates`: times are dates, in one
    zone, and known when they happened. `one_period`: a patient has one period of observation, and nothing is outside of it.
    `completed_years`: ages are. `entry_only`: how long a patient stays in the cohort is not asked for.
    """

    outcome: str | None = None
    during: str | None = None
    unobserved: Literal["exclude", "censor"] | None = None
    competing: Literal["death", "none"] | None = None
    dates: bool = False
    one_period: bool = False
    completed_years: bool = False
    entry_only: bool = False


def import_circe(path: Path, choices: CirceChoices) -> str:
    """The study file whose cohort a Circe file says.

    Raises:
        StudyError: it cannot be read, or something in it cannot be said; one line for each, with its JSON path.
    """
    expression = _read(path)
    said = [name for name in ("dates", "one_period", "completed_years", "entry_only") if getattr(choices, name)]
    head = [f"Translated from the OHDSI Circe cohort {path.name}."]
    head += [f"As the importer was told: {', '.join(said)}"] if said else []
    head += [
        "Alike on a CDM that is mapped with `available: {default: same}`. What is charted after a death is not there."
    ]
    draft = Draft(slug(path.stem), head)
    refuse(_Translation(expression, draft, choices).run(), path.name)
    return draft.text()


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
        if len(data) > LIMIT_BYTES:
            raise StudyError(f"{path} is larger than 8 MiB")
        value = json.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise StudyError(f"{path.name} is not JSON: export the cohort from ATLAS as JSON") from None
    if isinstance(value, dict) and isinstance(value.get("expression"), dict):
        value = value["expression"]
    if not isinstance(value, dict) or "PrimaryCriteria" not in value:
        raise StudyError(f"{path.name} is no Circe cohort: it has no PrimaryCriteria")
    return value


class _Translation:
    def __init__(self, expression: dict[str, Any], draft: Draft, choices: CirceChoices) -> None:
        self._given, self._draft, self._choices = expression, draft, choices
        self._rules = 0

    def run(self) -> list[Untranslated]:
        failed: list[Untranslated] = []
        try:
            self._sets = ConceptSets(self._given.get("ConceptSets"), self._draft)
        except Untranslated as unreadable:
            return [unreadable]
        choices = self._choices
        self._groups = Groups(self._sets, Facts(choices.dates, choices.one_period, choices.completed_years))
        for step in (self._keys, self._criteria, self._entry, self._exit, self._outcome):
            try:
                step()
            except Untranslated as each:
                failed.append(each)
        return failed

    def _keys(self) -> None:
        check_keys(self._given, _TOP, "")

    def _criteria(self) -> None:
        """Additional criteria and inclusion rules: all must hold."""
        named = [("AdditionalCriteria", "additional criteria", self._given.get("AdditionalCriteria"))]
        for at, rule in enumerate(listed(self._given.get("InclusionRules"), "InclusionRules")):
            place = f"InclusionRules[{at}]"
            check_keys(rule, ("name", "description", "expression"), place)
            named.append(
                (
                    f"{place}.expression",
                    f"inclusion rule {' '.join(str(rule.get('name')).split())}",
                    rule.get("expression"),
                )
            )
        for place, comment, group in named:
            criterion = self._groups.group(group, place) if group else None
            if criterion is not None:
                self._rules += 1
                self._draft.include.append((criterion, f"Circe: {comment}"))

    def _entry(self) -> None:
        primary = check_keys(
            self._given["PrimaryCriteria"],
            ("CriteriaList", "ObservationWindow", "PrimaryCriteriaLimit"),
            "PrimaryCriteria",
        )
        entries = listed(primary.get("CriteriaList"), "PrimaryCriteria.CriteriaList")
        events = [self._sets.events(each, f"PrimaryCriteria.CriteriaList[{at}]") for at, each in enumerate(entries)]
        if not events:
            raise Untranslated("has no entry event", place="PrimaryCriteria.CriteriaList")
        for at, each in enumerate(events):
            if each.concept == "death":
                raise Untranslated(
                    "is death, after which nobody is observed: a study's index cannot be it",
                    place=f"PrimaryCriteria.CriteriaList[{at}]",
                )
            if each.value:
                raise Untranslated(
                    "an index event has no range of its number in the language",
                    place=f"PrimaryCriteria.CriteriaList[{at}]",
                )
        window = check_keys(
            primary.get("ObservationWindow") or {}, ("PriorDays", "PostDays"), "PrimaryCriteria.ObservationWindow"
        )
        prior = whole(window.get("PriorDays"), "PrimaryCriteria.ObservationWindow.PriorDays")
        if window.get("PostDays"):
            raise Untranslated(
                "observation after the index has no translation: it looks ahead",
                place="PrimaryCriteria.ObservationWindow.PostDays",
            )
        pick = self._pick(
            events, prior, _limit(primary.get("PrimaryCriteriaLimit"), "PrimaryCriteria.PrimaryCriteriaLimit")
        )
        self._draft.index = ({pick: list(dict.fromkeys(each.concept for each in events))}, "Circe: PrimaryCriteria")
        if prior:
            self._draft.include.insert(
                0, ({"observed": {"before": f"{prior} days"}}, "Circe: PrimaryCriteria.ObservationWindow")
            )

    def _pick(self, events: list[Events], prior: int, limit: str) -> str:
        """First, last or every; Circe limits three times, a study picks once, before any criterion."""
        place = "PrimaryCriteria.PrimaryCriteriaLimit"
        firsts = [each.first for each in events]
        if any(firsts) and not self._choices.one_period:
            raise Untranslated(
                "a first ever event may lie outside of observation, where a study does not look: `--one-period` says that none does",
                place="PrimaryCriteria.CriteriaList",
            )  # fmt: skip
        if any(firsts) and len(events) > 1 and not (all(firsts) and limit == "First" and not prior):
            raise Untranslated(
                "several first events have no translation: write one cohort for each",
                place="PrimaryCriteria.CriteriaList",
            )
        later = [_limit(self._given.get(key), key) for key in ("QualifiedLimit", "ExpressionLimit")]
        later = later if self._given.get("AdditionalCriteria") else later[1:]
        if any(firsts):
            return "first"
        if limit != "All":
            if prior:
                raise Untranslated(
                    f"takes the {limit.lower()} event that was observed {prior} days before; a study picks the {limit.lower()}, and "
                    "then asks how long it was observed. `First` in the criterion says that", place=place,
                )  # fmt: skip
            return limit.lower()
        narrowed = [each for each in later if each != "All"]
        if narrowed:
            if self._rules or prior:
                raise Untranslated(
                    f"takes the {narrowed[0].lower()} of the events that meet the criteria; a study picks before it asks",
                    place="ExpressionLimit",
                )  # fmt: skip
            return narrowed[0].lower()
        self._eras()
        return "every"

    def _eras(self) -> None:
        """Every event is an entry of its own only where none lasts into the next."""
        strategy = self._given.get("EndStrategy") or {}
        offset = check_keys(strategy, tuple(strategy), "EndStrategy").get("DateOffset") or {}
        check_keys(offset, tuple(offset), "EndStrategy.DateOffset")
        pad = whole((self._given.get("CollapseSettings") or {}).get("EraPad"), "CollapseSettings.EraPad")
        if offset.get("DateField") != "StartDate" or offset.get("Offset") != 0 or pad:
            raise Untranslated(
                "every event enters, and entries that last into one another are made one: only those that end on the day "
                "they start (DateOffset 0 from StartDate, EraPad 0) are entries of their own", place="EndStrategy",
            )  # fmt: skip

    def _exit(self) -> None:
        """The end of a stay in the cohort is not of a study."""
        check_keys(self._given.get("CensorWindow") or {}, (), "CensorWindow")
        collapse = check_keys(self._given.get("CollapseSettings") or {}, ("CollapseType", "EraPad"), "CollapseSettings")
        whole(collapse.get("EraPad"), "CollapseSettings.EraPad")
        if collapse.get("CollapseType") not in (None, "ERA"):
            raise Untranslated("is not ERA", place="CollapseSettings.CollapseType")
        for key in ("EndStrategy", "CensoringCriteria"):
            if self._given.get(key) and not self._choices.entry_only:
                raise Untranslated(
                    "says when a patient leaves the cohort; a study says who enters and what is predicted. `--entry-only` leaves it aside",
                    place=key,
                )  # fmt: skip

    def _outcome(self) -> None:
        choices = self._choices
        if choices.outcome is None or choices.during is None or choices.unobserved is None:
            raise Untranslated(
                "a Circe cohort says who enters, and predicts nothing: say `--outcome` (the number of a concept set, or death), "
                "`--during` (such as '1 year') and `--unobserved` (exclude, or censor)", place="--outcome",
            )  # fmt: skip
        event = "death"
        if choices.outcome != "death":
            number = int(choices.outcome) if choices.outcome.isdigit() else None
            event = self._sets.name(number, "--outcome")
        if choices.competing is None and event != "death":
            raise Untranslated("say `--competing death`, or `--competing none`", place="--competing")
        outcome: Rule = {"kind": "time-to-event"} if choices.unobserved == "censor" else {}
        outcome |= {"event": event, "during": {"from": "index", "for": choices.during}}
        outcome |= {"competing": "death"} if choices.competing == "death" and event != "death" else {}
        self._draft.outcome = (outcome | {"unobserved": choices.unobserved}, "Not of Circe: as the importer was told")


def _limit(value: Any, place: str) -> Literal["First", "Last", "All"]:
    kind = check_keys(value or {}, ("Type",), place).get("Type") or "All"
    if kind not in ("First", "Last", "All"):
        raise Untranslated("is neither First, Last nor All", place=f"{place}.Type")
    return cast(Literal["First", "Last", "All"], kind)
