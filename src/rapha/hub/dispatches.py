"""A study comes in, offers go out, the hospitals' answers come back."""

import secrets

from sqlalchemy import select, union
from sqlalchemy.orm import Session

from rapha.canonical import digest
from rapha.errors import Conflict, NotPermitted
from rapha.hub.progress import OPEN
from rapha.hub.refusals import check_signed
from rapha.hub.routing import Route, route
from rapha.hub.store.changes import Change
from rapha.hub.store.tables import DispatchRow, LoggedFreezeRow, SiteRow, StudyRow, TaskRow
from rapha.records.record import SiteId
from rapha.records.site import Answered, Approval, Asks, Denial, SiteProfile
from rapha.records.study import Study
from rapha.records.wire import Feasible, Pending, Runs


def submit(change: Change, study: Study, researcher: str, key: str | None = None, asks: Asks = "training") -> StudyRow:
    """Take a study in and route it: it is recruiting when this returns, or asking for feasibility alone, or refused with the
    reason.

    `key`: the same study of the same researcher under the same key is the same one, so a lost answer loses nothing.

    Raises:
        Conflict: another study was handed in under this key.
    """
    study_id = f"s-{digest(f'{researcher} {key}'.encode())[7:23] if key else secrets.token_hex(8)}"
    if (known := change.session.get(StudyRow, study_id)) is not None:
        if (known.researcher, known.digest, known.asks) != (researcher, study.digest, asks):
            raise Conflict("another study was handed in under this key: hand each in under its own")
        return known
    row = StudyRow(
        id=study_id,
        digest=study.digest,
        name=study.study,
        study=study.as_bytes(),
        researcher=researcher,
        state="submitted",
        asks=asks,
        created_at=change.at,
    )
    change.session.add(row)
    change.session.flush()
    change.tell("study.submitted", f"researcher:{researcher}", study_id=row.id, facts={"study": study.study})
    enrolled = change.session.scalars(select(SiteRow)).all()
    at_least = study.sites.at_least if asks == "training" else 1
    routed = route(study, [site.id for site in enrolled], profiles(change.session), at_least)
    _send_out(change, row, routed)
    return row


def _send_out(change: Change, study: StudyRow, routed: Route) -> None:
    left_out = dict(routed.left_out)
    if routed.refusal:
        study.reason = f"{routed.refusal}: {routed.detail}"
        change.move(study, "refused", "hub", {"reason": routed.refusal, **left_out})
        return
    change.move(
        study,
        "recruiting" if study.asks == "training" else "asking",
        "hub",
        {"sites": " ".join(routed.sites), **left_out},
    )
    for site in routed.sites:
        change.session.add(
            DispatchRow(id=f"d-{secrets.token_hex(8)}", study_id=study.id, site=site, state="offered", stopped=False)
        )
        change.tell("dispatch.offered", "hub", study_id=study.id, site=site)


def runs_of(session: Session, site: SiteId) -> Runs:
    """What a hospital cannot have forgotten, unless its ledger is an old copy."""
    handed_in = select(TaskRow.dispatch_id).where(TaskRow.site == site, TaskRow.state == "done")
    froze = select(DispatchRow.id).join(LoggedFreezeRow).where(DispatchRow.site == site)
    return Runs(dispatches=tuple(sorted(session.scalars(union(handed_in, froze)))))


def profiles(session: Session) -> list[SiteProfile]:
    """What the enrolled sites say of themselves, in order of their names."""
    rows = session.scalars(select(SiteRow).where(SiteRow.profile.is_not(None)).order_by(SiteRow.id))
    return [SiteProfile.from_bytes(row.profile) for row in rows if row.profile]


def keep_profile(change: Change, site: SiteId, profile: SiteProfile) -> None:
    """A site says what it has; the newest counts.

    Raises:
        NotPermitted: the profile is another site's.
    """
    row = change.session.get(SiteRow, site)
    if row is None or profile.site != site:
        raise NotPermitted(f"this is the profile of {profile.site}, sent by {site}: a site speaks for itself alone")
    row.profile = profile.as_bytes()
    change.tell("site.profiled", f"node:{site}", site=site)


def feasible(change: Change, site: SiteId, answer: Feasible) -> None:
    """How many there would be. May come again; a settled dispatch keeps what it has.

    Raises:
        NotPermitted: no such dispatch of this site.
    """
    row = own_dispatch(change.session, site, answer.dispatch, "training")
    if row.state in ("offered", "pending") and row.feasible != answer.as_bytes():
        row.feasible = answer.as_bytes()
        facts = {"patients": str(answer.patients)}
        change.tell("dispatch.feasible", f"node:{site}", study_id=row.study_id, site=site, facts=facts)


def pending(change: Change, site: SiteId, answer: Pending) -> None:
    """A person there has to decide. Twice is the same as once.

    Raises:
        NotPermitted: no such dispatch of this site.
        Conflict: it is decided already.
    """
    row = own_dispatch(change.session, site, answer.dispatch, "training")
    if row.state != "pending":
        change.move(row, "pending", f"node:{site}")


def approve(change: Change, site: SiteId, approval: Approval) -> str:
    """The site's yes; gives the study's id. The same twice is the same as once.

    Raises:
        NotPermitted: no such dispatch of this site, or the approval is in another site's name.
        Conflict: it is for another study digest, or the dispatch was decided otherwise.
    """
    row = own_dispatch(change.session, site, approval.dispatch, "training")
    _check_decision(change.session, site, row, approval)
    if row.denial is None and row.answer == approval.as_bytes():
        return row.study_id
    row.answer = approval.as_bytes()
    if row.feasible is None:
        row.feasible = Feasible(dispatch=approval.dispatch, patients=approval.feasible).as_bytes()
    facts = {"decided_by": approval.decided_by, "patients": str(approval.feasible)}
    change.move(row, "approved", f"node:{site}", facts)
    return row.study_id


def deny(change: Change, site: SiteId, denial: Denial) -> str:
    """The site's no, also after a yes, which is kept beside it; gives the study's id. The same twice is the same as once.

    Raises:
        NotPermitted: no such dispatch of this site, or the denial is in another site's name.
        Conflict: it is for another study digest, or the dispatch is over.
        Unproven: its signed refusal says something else than the denial.
    """
    row = own_dispatch(change.session, site, denial.dispatch)
    _check_decision(change.session, site, row, denial)
    if row.denial == denial.as_bytes():
        return row.study_id
    check_signed(change, row.study_id, site, denial)
    row.denial, row.reason = denial.as_bytes(), denial.reason
    change.move(row, "denied", f"node:{site}", {"reason": denial.reason})
    withdraw_tasks(change, row)
    return row.study_id


def answered(change: Change, site: SiteId, answer: Answered) -> str:
    """How many there would be, where that alone was asked; gives the study's id. The same twice is the same as once.

    Raises:
        NotPermitted: no such dispatch of this site, or the answer is in another site's name.
        Conflict: it is for another study digest, was answered otherwise, or asks for training.
    """
    row = own_dispatch(change.session, site, answer.dispatch, "feasibility")
    _check_decision(change.session, site, row, answer)
    if row.answer == answer.as_bytes():
        return row.study_id
    row.answer = answer.as_bytes()
    facts = {"patients": str(answer.patients), "events": str(answer.events)}
    change.move(row, "answered", f"node:{site}", facts)
    return row.study_id


def own_dispatch(session: Session, site: SiteId, dispatch: str, asks: Asks | None = None) -> DispatchRow:
    """A dispatch of this site, that asks for this where it is said.

    Raises:
        NotPermitted: there is none of that id, or it is another site's; it is not said which.
        Conflict: it asks for something else.
    """
    row = session.get(DispatchRow, dispatch)
    if row is None or row.site != site:
        raise NotPermitted(f"{site} has no dispatch {dispatch}")
    if asks and (other := session.get_one(StudyRow, row.study_id).asks) != asks:
        raise Conflict(f"dispatch {dispatch} asks for {other}: this answers another question")
    return row


def withdraw_tasks(change: Change, dispatch: DispatchRow) -> None:
    """No open task remains of this dispatch."""
    open_ = select(TaskRow).where(TaskRow.dispatch_id == dispatch.id, TaskRow.state.in_(OPEN))
    for task in change.session.scalars(open_):
        change.move(task, "withdrawn", "hub")


def _check_decision(session: Session, site: SiteId, row: DispatchRow, decision: Approval | Denial | Answered) -> None:
    if decision.site != site:
        raise NotPermitted(f"this decision is in the name of {decision.site}, sent by {site}")
    study = session.get_one(StudyRow, row.study_id)
    if decision.study_digest != study.digest:
        raise Conflict(f"the decision is on another study than this dispatch: expected {study.digest}")
