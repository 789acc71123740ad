"""The hub's account of the rounds, held against what the hospitals signed themselves.

Round 0 gathers feature statistics and gives the start weights; round n starts from what round n - 1 gave. A hospital
that answered after its round had closed has signed an update that was not counted: that is no lie, and is said.
"""

from collections.abc import Sequence

from rapha.errors import Unproven
from rapha.proof.claim import SiteClaim
from rapha.proof.of_study import check_named
from rapha.records.averaging import kind_of
from rapha.records.learning import TrainingSpec
from rapha.records.receipt import Aggregation
from rapha.records.refusal import Refusal, stated_reason
from rapha.records.study import SiteSelector


def check_rounds(aggregation: Aggregation, asked: TrainingSpec) -> str:
    """Rounds are numbered 0, 1, 2 ... without a gap, as many as the study `asked` for or can have stopped after, each has an update, and
    the last one's weights are delivered, or those of the round that is named where it asked for the best. They were averaged, and updates
    travelled, as it asked. Raises Unproven."""
    numbers = [members.round for members in aggregation.rounds]
    if not numbers or numbers != list(range(len(numbers))):
        raise Unproven("the rounds are not numbered 0, 1, 2 and so on: one is missing or was moved")
    if empty := [members.round for members in aggregation.rounds if not members.updates]:
        raise Unproven(f"round {empty[0]} took in no update at all")
    if not (fewest := _fewest(asked)) <= numbers[-1] <= asked.rounds:
        early = f", or as few as {fewest} where it stops early" if asked.early_stopping else ""
        raise Unproven(f"the study asks for {asked.rounds} rounds of training{early}; the hub says {numbers[-1]}")
    released = _released(aggregation, asked)
    if aggregation.rounds[released].weights_out != aggregation.weights:
        last = "the last round" if released == numbers[-1] else f"round {released}"
        raise Unproven(f"the weights delivered are not those that came out of {last}")
    if aggregation.method != kind_of(asked.aggregation):
        raise Unproven(
            f"the study asks for {kind_of(asked.aggregation)}, and the hub says that it averaged by another way"
        )
    if (aggregation.updates or "float32") != asked.updates:
        raise Unproven("the study asks for updates in another form than the one that the hub says they travelled in")
    updates = f"; updates as {asked.updates}" if aggregation.updates else ""
    return f"rounds 0 to {numbers[-1]}{_best(released, asked)}{updates}"


def _best(released: int, asked: TrainingSpec) -> str:
    if asked.keep is None:
        return ""
    said = f"by the hub's word the best by {asked.keep.best}, or the last where no round has one"
    return f"; the weights are of round {released}, {said}"


def _fewest(asked: TrainingSpec) -> int:
    """After how many rounds of training it can be over: a figure is best in one, and no better for `patience` more."""
    return min(asked.rounds, asked.early_stopping.patience + 1) if asked.early_stopping else asked.rounds


def stopped_early(aggregation: Aggregation, asked: TrainingSpec) -> list[str]:
    """What is not shown of a training that was over before all of its rounds, in plain words."""
    last = aggregation.rounds[-1].round
    if asked.early_stopping is None or last == asked.rounds:
        return []
    return [f"That training had come to a stand after {last} of {asked.rounds} rounds: the hub compared the figures."]


def _released(aggregation: Aggregation, asked: TrainingSpec) -> int:
    """The number of the round whose weights are delivered."""
    last, named = aggregation.rounds[-1].round, aggregation.released_round
    if (named is not None) != (asked.keep is not None):
        raise Unproven(
            "the study asks for the best round, and the hub does not say which it is"
            if named is None
            else "the hub names a round whose weights these are, and the study did not ask for the best one"
        )
    if named is not None and named > last:
        raise Unproven(f"the weights are said to be of round {named}, and there is none")
    return last if named is None else named


def check_sites(aggregation: Aggregation, asked: SiteSelector) -> None:
    """As many hospitals as the study `asked` for went into every round, and none but those that it names approved. Raises Unproven."""
    check_named(aggregation.approvals, asked)
    if few := [members for members in aggregation.rounds if len(members.updates) < asked.at_least]:
        raise Unproven(
            f"the study asks for {asked.at_least} hospitals in every round; into round {few[0].round} went {len(few[0].updates)}"
        )


def check_approvals(aggregation: Aggregation, sites: Sequence[SiteClaim]) -> str:
    """Whoever took part is listed as approving, under the approval that its own receipt names; one receipt at least
    stands. Raises Unproven."""
    if not sites:
        raise Unproven("no hospital's own receipt stands behind this: the hub's word is all there is")
    if strangers := sorted(set(_contributors(aggregation)) - set(aggregation.approvals)):
        raise Unproven(f"{strangers[0]} took part without an approval")
    for site in sites:
        release = site.release
        if release.site not in aggregation.approvals:
            raise Unproven(f"{release.site} signed a receipt, but the hub names no approval of it")
        if aggregation.approvals[release.site] != release.approval:
            raise Unproven(f"the approval that {release.site} signed is not the one that the hub names")
    return ", ".join(site.release.site for site in sites)


def check_refusals(aggregation: Aggregation, refused: Sequence[Refusal]) -> None:
    """No hospital's no is passed over: the hub names each that signed one, and the same reason. Raises Unproven."""
    for refusal in refused:
        if refusal.site not in aggregation.denials:
            raise Unproven(f"{refusal.site} signed a refusal, but the hub names none of it")
        if stated_reason(aggregation.denials[refusal.site]) != refusal.reason:
            raise Unproven(f"{refusal.site} signed that it refused for another reason than the hub names")


def unsigned_denials(aggregation: Aggregation, refused: Sequence[Refusal]) -> list[str]:
    """Hospitals of which the hub alone says that they did not take part to the end."""
    unsigned = sorted(set(aggregation.denials) - {refusal.site for refusal in refused})
    return [f"That {site} refused or failed: the hub says so, and {site} signed no refusal here." for site in unsigned]


def check_updates(aggregation: Aggregation, sites: Sequence[SiteClaim]) -> str:
    """Each update that the hub says it took from a hospital is the one that the hospital signed for that round, and it weighed as many as the
    rows to train on that the hospital signed: their number, or the threshold that they are below. Raises Unproven."""
    compared = 0
    for site in sites:
        signed = {trace.round: trace.weights_out for trace in site.release.rounds}
        rows = site.release.cohort.train_rows
        weight = rows.below if rows.about is None else rows.about
        for members in aggregation.rounds:
            taken = members.updates.get(site.release.site)
            if taken is not None and taken != signed.get(members.round):
                raise Unproven(f"round {members.round}: what went in for {site.release.site} is not what it signed")
            if taken is not None and members.weights_of_sites[site.release.site] != weight:
                raise Unproven(
                    f"round {members.round}: the update of {site.release.site} had another weight than the rows that it signed"
                )
            compared += taken is not None
    return f"{compared} updates compared"


def check_starts(aggregation: Aggregation, sites: Sequence[SiteClaim]) -> str:
    """Round 0 starts from nothing; each later one, at each hospital, from the weights of the round before; and what a hospital measured
    at the end are the weights that are delivered."""
    given = {members.round + 1: members.weights_out for members in aggregation.rounds}
    compared = 0
    for site in sites:
        if site.release.weights != aggregation.weights:
            raise Unproven(f"{site.release.site} signed other weights at the end than those that are delivered")
        for trace in site.release.rounds:
            if trace.round > aggregation.rounds[-1].round:
                raise Unproven(f"{site.release.site} signed a round {trace.round}, which the hub does not know of")
            if trace.weights_in != given.get(trace.round):
                raise Unproven(f"round {trace.round}: {site.release.site} did not start from the weights before it")
            compared += 1
    return f"{compared} starts compared"


def check_freezes(aggregation: Aggregation, sites: Sequence[SiteClaim]) -> str:
    """The freeze that each hospital's receipt names is the one that the hub says it had logged before it took anything of its run; a
    hospital of which the hub names none names none. Raises Unproven."""
    logged = aggregation.freezes or {}
    for site in sites:
        if logged.get(site.release.site) != site.release.freeze:
            raise Unproven(f"the freeze that {site.release.site} names is not the one that the hub had before its run")
    named = [site.release.site for site in sites if site.release.freeze]
    return ", ".join(named) or "none of a receipt that stands"


def check_all_froze(aggregation: Aggregation) -> None:
    """The hub names a freeze of every hospital whose update went into a round: of one that dropped out it names none. Raises Unproven."""
    if missing := sorted(set(_contributors(aggregation)) - set(aggregation.freezes or {})):
        raise Unproven(f"{missing[0]} took part, and the hub names no freeze of it before its run, which is asked for")


def gaps(aggregation: Aggregation, sites: Sequence[SiteClaim]) -> list[str]:
    """What the comparison could not cover, in plain words."""
    signed, took_part = {site.release.site: site.release for site in sites}, _contributors(aggregation)
    found = [
        f"What {name} signed: it took part in {_rounds(rounds)}, and no valid receipt of it is in this folder."
        for name, rounds in sorted(took_part.items())
        if name not in signed
    ]
    for name, release in sorted(signed.items()):
        counted = took_part.get(name, [])
        if late := [trace.round for trace in release.rounds if trace.round not in counted]:
            found.append(f"Why the update of {name} was not counted in {_rounds(late)}, though {name} signed one.")
    return found


def _contributors(aggregation: Aggregation) -> dict[str, list[int]]:
    """Site -> the rounds that its update went into."""
    found: dict[str, list[int]] = {}
    for members in aggregation.rounds:
        for site in members.updates:
            found.setdefault(site, []).append(members.round)
    return found


def _rounds(numbers: list[int]) -> str:
    return f"round {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} rounds ({numbers[0]} to {numbers[-1]})"
