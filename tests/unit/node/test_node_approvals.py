"""Asked at the offer, asked again before every task: the node's own rules count, and count at once."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapha.errors import Conflict, NotPermitted, TrainingFailed
from rapha.node.approvals import Approvals
from rapha.node.register import Entry
from rapha.policy.decide import Allowed, NeedsPerson, Refused
from rapha.records.metrics import Count
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.site import Dispatch
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.sdk.study_file import read_study

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "examples" / "diabetes-within-5-years" / "study.yaml"
RULES = """
modalities: [ehr]
purposes: [{purpose}]
researchers: any
architectures: [mlp]
minimum_cohort: 25
sandbox: required
approve: {approve}
"""
BY_RULE = "[{rule: routine, researchers: any, purposes: [DUO:0000006], architectures: [mlp], modalities: [ehr]}]"


@pytest.fixture
def study() -> Study:
    return read_study(EXAMPLE)


@pytest.fixture
def dispatch(study: Study) -> Dispatch:
    return Dispatch(
        id=DispatchId("d-1"), study_id=StudyId("s-1"), study_digest=study.digest, site=SiteId("a"), researcher="Ada"
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Approvals]:
    def written(purpose: str = "DUO:0000006", approve: str = BY_RULE, isolated: bool = True) -> Approvals:
        (tmp_path / "rules.yaml").write_text(RULES.format(purpose=purpose, approve=approve))
        return Approvals(tmp_path / "rules.yaml", SiteId("a"), isolated, (), lambda: NOON)

    return written


def entry(dispatch: Dispatch, study: Study, approvals: Approvals, decided_by: str, state: str = "approved") -> Entry:
    return Entry(dispatch, study, state, approvals.approve(dispatch, decided_by, Count(about=50)), None)


def task(study: Study) -> Task:
    return Task(
        id=TaskId("t-1"),
        study_id=StudyId("s-1"),
        study_digest=study.digest,
        dispatch=DispatchId("d-1"),
        site=SiteId("a"),
        round=1,
        do="train",
        weights="sha256:" + "1" * 64,
    )


def test_the_rules_decide(write: Callable[..., Approvals], dispatch: Dispatch, study: Study) -> None:
    assert isinstance(write().decide(dispatch, study), Allowed)
    assert isinstance(write(approve="{by: steward}").decide(dispatch, study), NeedsPerson)
    refused = write(purpose="DUO:0000011").decide(dispatch, study)
    assert isinstance(refused, Refused) and refused.reason == "purpose-not-allowed"


def test_a_node_that_cannot_isolate_refuses_where_the_rules_demand_it(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study
) -> None:
    refused = write(isolated=False).decide(dispatch, study)
    assert isinstance(refused, Refused) and refused.reason == "sandbox-unavailable"


def test_a_task_of_an_approved_study_may_touch_data(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study
) -> None:
    approvals = write()
    found = entry(dispatch, study, approvals, "rule:routine")
    assert approvals.check_task(found, task(study)) == found.answer


def test_a_task_without_an_approval_may_not(write: Callable[..., Approvals], dispatch: Dispatch, study: Study) -> None:
    approvals = write()
    for nothing in (None, entry(dispatch, study, approvals, "rule:routine", state="pending")):
        with pytest.raises(TrainingFailed) as refusal:
            approvals.check_task(nothing, task(study))
        assert refusal.value.reason == "not-approved"


def test_a_task_of_another_study_than_the_approved_one_may_not(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study
) -> None:
    approvals = write()
    other = study.model_copy(update={"study": "another"})
    with pytest.raises(TrainingFailed) as refusal:
        approvals.check_task(entry(dispatch, study, approvals, "rule:routine"), task(other))
    assert refusal.value.reason == "study-changed"


def test_an_edit_of_the_rules_counts_from_the_next_task_on(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study
) -> None:
    found = entry(dispatch, study, write(), "rule:routine")
    with pytest.raises(TrainingFailed) as refusal:
        write(purpose="DUO:0000011").check_task(found, task(study))
    assert refusal.value.reason == "policy-changed"


def test_a_person_signs_only_what_waits_and_only_what_the_rules_permit(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study
) -> None:
    approvals = write(approve="{by: steward}")
    waiting = Entry(dispatch, study, "pending", None, None)
    assert approvals.check_person_may_sign(waiting, "d-1") == waiting
    with pytest.raises(Conflict, match="does not wait"):
        approvals.check_person_may_sign(waiting._replace(state="denied"), "d-1")
    with pytest.raises(Conflict, match="no dispatch d-9"):
        approvals.check_person_may_sign(None, "d-9")
    with pytest.raises(NotPermitted, match="purpose-not-allowed"):
        write(purpose="DUO:0000011", approve="{by: steward}").check_person_may_sign(waiting, "d-1")


def test_an_approval_of_another_dispatch_opens_nothing(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study
) -> None:
    approvals = write()
    given = entry(dispatch, study, approvals, "rule:routine")
    assert given.answer is not None
    replayed = given._replace(answer=given.answer.model_copy(update={"dispatch": DispatchId("d-0")}))
    elsewhere = given._replace(dispatch=dispatch.model_copy(update={"id": DispatchId("d-0")}))
    for found in (replayed, elsewhere):
        with pytest.raises(TrainingFailed, match="another dispatch") as refusal:
            approvals.check_task(found, task(study))
        assert refusal.value.reason == "not-approved"


def test_a_limit_of_runs_that_nobody_counts_permits_none(
    write: Callable[..., Approvals], dispatch: Dispatch, study: Study, tmp_path: Path
) -> None:
    write()
    rules = tmp_path / "rules.yaml"
    rules.write_text(rules.read_text() + "runs_per_project: 5\n")
    for counted, refused in ((None, True), (lambda *_: 4, False), (lambda *_: 5, True)):
        approvals = Approvals(rules, SiteId("a"), True, (), lambda: NOON, counted)
        assert isinstance(approvals.decide(dispatch, study), Refused) is refused
