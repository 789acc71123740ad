"""At which hours, and how often: what nobody knows is not allowed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from rapha.policy.decide import Allowed, Refused, Request, decide, decide_again, is_open
from rapha.policy.ledger import runs_before
from rapha.policy.rules import Hours, SiteRules
from rapha.records.ledger import START, LedgerEntry, Spend
from rapha.records.metrics import Count
from rapha.records.record import DispatchId, SiteId
from rapha.records.site import Approval
from rapha.records.study import Study

NIGHT = {"from": "20:00", "until": "06:00", "zone": "Europe/Madrid"}


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 28, hour, minute, tzinfo=UTC)


def with_key(rules: SiteRules, **keys: Any) -> SiteRules:
    return SiteRules.model_validate({**rules.as_json(), **keys})


@pytest.mark.parametrize(
    ("moment", "night", "day"),
    [
        (at(19), True, False),
        (at(18, 59), False, True),
        (at(4, 59), True, False),
        (at(5), False, False),
        (at(12), False, True),
    ],
)
def test_hours_are_those_of_the_zone_and_may_pass_midnight(moment: datetime, night: bool, day: bool) -> None:
    assert Hours.model_validate(NIGHT).open_at(moment) is night
    assert Hours.model_validate({"from": "08:00", "until": "20:00", "zone": "Europe/Madrid"}).open_at(moment) is day


@pytest.mark.parametrize(
    "wrong", [{"from": "20:00", "until": "20:00"}, {"from": "8 pm"}, {"from": 1200}, {"until": "24:00"}, {"zone": "Europe/Madird"},
              {"zone": "../../etc/passwd"}, {"on": "sunday"}]
)  # fmt: skip
def test_hours_that_cannot_be_read_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Hours.model_validate({**NIGHT, **wrong})


def test_work_at_another_hour_or_at_none_is_refused(study: Study, rules: SiteRules) -> None:
    nightly = with_key(rules, hours=NIGHT)
    assert SiteRules.from_bytes(nightly.as_bytes()) == nightly
    given = Approval(
        dispatch=DispatchId("d-1"), study_digest=study.digest, site=SiteId("north"), policy_digest=nightly.digest,
        decided_by="rule:small-models", feasible=Count(about=100), at=at(12),
    )  # fmt: skip
    for moment, refused in ((at(22), None), (at(12), "outside-hours"), (None, "outside-hours")):
        request = Request(study=study, researcher="Ada Lovelace", isolated=True, at=moment)
        answer = decide_again(request, nightly, given)
        assert (answer.reason if answer else None) == refused
        assert isinstance(decide(request, nightly), Allowed), "a study is decided at any hour: only work waits"
    assert is_open(rules, None)


@pytest.mark.parametrize(("before", "allowed"), [(0, True), (1, True), (2, False), (3, False), (None, False)])
def test_so_many_runs_and_no_more(study: Study, rules: SiteRules, before: int | None, allowed: bool) -> None:
    request = Request(study=study, researcher="Ada Lovelace", isolated=True, runs_before=before)
    answer = decide(request, with_key(rules, runs_per_project=2))
    assert (
        isinstance(answer, Allowed) if allowed else answer == Refused(reason="too-many-runs", rule="runs_per_project")
    )


def entry(number: int, run: str, project: str, kind: str = "reserved") -> LedgerEntry:
    return LedgerEntry.model_validate(
        {
            "number": number, "previous": START, "at": at(12), "kind": kind, "dataset": "timeline", "project": project,
            "dispatch": run, "study": "small", "study_digest": START, "private": False, "spend": Spend(),
        }
    )  # fmt: skip


ADA = "Ada Lovelace | DUO:0000006"


def test_what_counts_as_a_run_of_the_same_project() -> None:
    book = [
        entry(1, "d-1", ADA),
        entry(2, "d-1", ADA, "settled"),
        entry(3, "d-2", "Ada Lovelace | DUO:0000018 DUO:0000006"),
        entry(4, "d-3", ADA),
        entry(5, "d-3", ADA, "refunded"),
        entry(6, "d-4", "Grace Hopper | DUO:0000006"),
        entry(7, "d-5", "Ada Lovelace | DUO:0000042"),
    ]
    assert runs_before(book, ADA, DispatchId("d-9")) == 2, "one settled, one with more undertaken; not the refunded one"
    assert runs_before(book, ADA, DispatchId("d-2")) == 1, "a run under way counts those before it, not those after"
    assert runs_before(book, ADA, DispatchId("d-1")) == 0
