"""Receipts that say something else than the study that they name: more of it than was asked for, or less."""

from collections.abc import Callable
from typing import Any

import record_samples as made_up
from receipt_faults import aggregation_with, both, members, release_with, restated, spent_with
from receipt_samples import AGGREGATION, NORTH, SITES, Fault, Parts, good_parts, in_mode, privately, refused

from rapha.records.metrics import Count
from rapha.records.study import Study

STRANGERS = ("east", "west")
"""Hospitals of which no receipt is in the folder."""
STOPPING = {"rounds": 20, "early_stopping": {"metric": "auroc", "patience": 2}}
"""Two more rounds than the best are three: as many as the samples have."""


def asking_for(training: dict[str, Any] | None = None, **sites: Any) -> Callable[[Parts], None]:
    """The same of a study that asks for other rounds, or other hospitals."""

    def before(parts: Parts) -> None:
        asked = made_up.example("diabetes-within-5-years").as_json()
        for part, changes in (("training", training or {}), ("sites", sites)):
            asked[part] = {**asked[part], **changes}
        made = good_parts(Study.model_validate(asked))
        parts.releases, parts.aggregation, parts.files = made.releases, made.aggregation, made.files

    return before


def _of_people(**changes: Count) -> Callable[[Parts], None]:
    """North's cohort has these counts."""

    def before(parts: Parts) -> None:
        cohort = parts.releases["north"].cohort.model_copy(update=changes)
        release_with("north", cohort=cohort)(parts)

    return before


def _a_round_of_strangers(parts: Parts) -> None:
    """The hub had one round more than the study asks for, of hospitals that signed nothing; the others say nothing of it."""
    asking_for({"rounds": 2})(parts)
    for site in SITES:
        release_with(site, rounds=parts.releases[site].rounds[:-1], transcript=None)(parts)
    of_strangers = {site: made_up.blob(f"update 3 of {site}") for site in STRANGERS}
    members(3, updates=of_strangers, weights_of_sites=dict.fromkeys(STRANGERS, 1200))(parts)
    _let_in(*STRANGERS)(parts)


def _let_in(*strangers: str) -> Callable[[Parts], None]:
    """The hub says that these approved too."""

    def before(parts: Parts) -> None:
        more = {site: made_up.blob(f"approval of {site}") for site in strangers}
        aggregation_with(approvals={**parts.aggregation.approvals, **more})(parts)

    return before


def _without_north(parts: Parts) -> None:
    """In round 2 there was south alone."""
    of_south = {"south": parts.aggregation.rounds[2].updates["south"]}
    members(2, updates=of_south, weights_of_sites={"south": 1200})(parts)


def _told_otherwise(parts: Parts) -> None:
    """East signed that its cohort could not answer; the hub says that its purpose was not allowed."""
    refused(parts)
    aggregation_with(denials={**parts.aggregation.denials, "east": "purpose-not-allowed"})(parts)


def _below_zero(value: dict[str, Any]) -> None:
    value["predicate"]["runDetails"]["byproducts"][0]["name"] = "round/-1/update"


def _in_words(value: dict[str, Any]) -> None:
    value["predicate"]["buildDefinition"]["internalParameters"]["denials"]["west"] = "only 3 patients have it"


STOPPED_EARLY = Fault(AGGREGATION, 0, before=asking_for(STOPPING, only=list(SITES)))
"""No fault: a study that may stop early did so, and names the hospitals that it asks."""

STUDY_FAULTS = {
    # 8. a refusal has a code, and no text
    "denial-in-words": Fault(AGGREGATION, 8, after=restated(AGGREGATION, "example-hub", _in_words)),
    "round-below-zero": Fault(NORTH, 8, after=restated(NORTH, "north", _below_zero)),
    # 10. a hospital's receipt
    "hospital-that-is-not-asked": Fault(NORTH, 10, before=asking_for(only=["south", "west"])),
    "more-rounds-than-asked": Fault(NORTH, 10, before=asking_for({"rounds": 2})),
    "fewer-patients-than-asked": Fault(NORTH, 10, before=_of_people(patients=Count(about=20))),
    "patients-below-what-is-asked": Fault(NORTH, 10, before=_of_people(patients=Count(below=25))),
    "fewer-rows-than-asked": Fault(NORTH, 10, before=_of_people(train_rows=Count(about=20))),
    "epsilon-of-no-mechanism": Fault(NORTH, 10, before=spent_with("north", epsilon=1.0)),
    "private-in-fewer-steps": Fault(NORTH, 10, before=both(privately, spent_with("north", steps=59))),
    "private-for-nobody": Fault(NORTH, 10, before=both(privately, spent_with("north", unit=None))),
    "mode-b-in-fewer-steps": Fault(NORTH, 10, before=both(in_mode("B"), spent_with("north", steps=2))),
    # 20. the hub's rounds
    "fewer-rounds-than-asked": Fault(AGGREGATION, 20, before=asking_for({"rounds": 4})),
    "stopped-too-early": Fault(
        AGGREGATION, 20, before=asking_for({**STOPPING, "early_stopping": {"metric": "auroc", "patience": 3}})
    ),
    "a-round-nobody-asked-for": Fault(AGGREGATION, 20, before=_a_round_of_strangers),
    # 21. the hub's hospitals
    "fewer-hospitals-than-asked": Fault(AGGREGATION, 21, before=_without_north),
    "a-hospital-nobody-asked": Fault(AGGREGATION, 21, before=both(asking_for(only=list(SITES)), _let_in("west"))),
    "refusal-told-for-another-reason": Fault(AGGREGATION, 21, before=_told_otherwise),
    # 22. what an update weighed
    "heavier-than-signed": Fault(AGGREGATION, 22, before=members(2, weights_of_sites={"north": 9600, "south": 1200})),
}
