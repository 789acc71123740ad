"""The rules of the privacy ledger. Pure: entries in, sums or a refusal out.

A run is reserved, then settled or refunded. What is reserved counts like what is settled: a run that was cut off may have
let something out. Only a refund, which names its reason, gives anything back, and only of what was not settled.
"""

from collections.abc import Iterable, Sequence

from rapha.policy.data_use import WITHIN
from rapha.policy.rules import SiteRules
from rapha.records.ledger import START, LedgerEntry, Spend
from rapha.records.record import Digest, DispatchId
from rapha.records.release import ReasonCode
from rapha.records.study import Study


def standing(entries: Iterable[LedgerEntry], dispatch: DispatchId) -> LedgerEntry | None:
    """The last entry of a run, which says how it stands."""
    return next((entry for entry in reversed(list(entries)) if entry.dispatch == dispatch), None)


def spent(entries: Iterable[LedgerEntry], dataset: str | None = None, project: str | None = None) -> Spend:
    """All that is reserved or settled, of one data set or project where one is named."""
    last: dict[DispatchId, LedgerEntry] = {}
    for entry in entries:
        if dataset in (None, entry.dataset) and project in (None, entry.project):
            last[entry.dispatch] = entry
    total = Spend()
    for entry in last.values():
        if entry.kind != "refunded":
            total += entry.spend
    return total


def runs_before(entries: Sequence[LedgerEntry], project: str, dispatch: DispatchId) -> int:
    """How many runs of the project came before this one: those that were reserved earlier, or all where it is not reserved yet.

    A project is who asks, for which purposes; the order of the codes, and what else is undertaken, make no other project.
    """
    begun: dict[DispatchId, LedgerEntry] = {}
    last: dict[DispatchId, LedgerEntry] = {}
    for entry in entries:
        begun.setdefault(entry.dispatch, entry)
        last[entry.dispatch] = entry
    own = begun[dispatch].number if dispatch in begun else len(entries) + 1
    whose = _project(project)
    return sum(
        entry.number < own and last[run].kind != "refunded" and _project(entry.project) == whose
        for run, entry in begun.items()
    )


def _project(project: str) -> tuple[str, frozenset[str]]:
    researcher, _, codes = project.rpartition(" | ")
    return researcher, frozenset(codes.split()) & WITHIN.keys()


def refusal(entries: Sequence[LedgerEntry], dataset: str, study: Study, rules: SiteRules) -> ReasonCode | None:
    """Why the study may not be reserved, or None. A study without differential privacy is not refused here."""
    asked = Spend.of_study(study)
    if not study.privacy.differential_privacy:
        return None
    if rules.privacy is None:
        return "budget-not-offered"
    return None if (spent(entries, dataset) + asked).within(rules.privacy.limit) else "budget-exhausted"


def broken(entries: Iterable[LedgerEntry]) -> int | None:
    """The number of the first entry that does not follow from the one before it, or None where the chain is whole."""
    previous: Digest = START
    for place, entry in enumerate(entries, start=1):
        if entry.number != place or entry.previous != previous:
            return place
        previous = entry.digest
    return None
