"""The hub's account of the rounds: what fails it, and what is only said."""

from datetime import UTC, datetime

import pytest

from rapha.errors import Unproven
from rapha.proof import chain
from rapha.proof.claim import SiteClaim
from rapha.records.learning import EarlyStopping, TrainingSpec
from rapha.records.metrics import Count
from rapha.records.receipt import Aggregation
from rapha.records.record import SiteId
from rapha.records.release import Release
from rapha.records.study import SiteSelector


@pytest.fixture
def north(release: Release) -> SiteClaim:
    return SiteClaim(release, "0" * 32, datetime(2026, 11, 23, tzinfo=UTC), ())


def without(aggregation: Aggregation, site: str, rounds: tuple[int, ...]) -> Aggregation:
    """The site's update did not go into these rounds."""

    def thinned(kept: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in kept.items() if name != site}

    new = tuple(
        members.model_copy(update={"updates": thinned(members.updates)}) if members.round in rounds else members
        for members in aggregation.rounds
    )
    return aggregation.model_copy(update={"rounds": new})


def test_the_good_chain_holds_and_the_absent_hospital_is_named(aggregation: Aggregation, north: SiteClaim) -> None:
    for check in (chain.check_approvals, chain.check_updates, chain.check_starts):
        assert check(aggregation, [north])
    assert [remark.split(":")[0] for remark in chain.gaps(aggregation, [north])] == ["What south signed"]


def test_an_update_that_came_too_late_is_said_and_is_no_lie(aggregation: Aggregation, north: SiteClaim) -> None:
    late = without(aggregation, "north", (2,))
    assert chain.check_updates(late, [north])
    assert chain.check_starts(late, [north])
    assert any("not counted in round 2" in remark for remark in chain.gaps(late, [north]))


def test_a_hospital_that_was_never_counted_still_may_sign(aggregation: Aggregation, north: SiteClaim) -> None:
    never = without(aggregation, "north", (0, 1, 2, 3))
    assert chain.check_approvals(never, [north])
    assert any("4 rounds (0 to 3)" in remark for remark in chain.gaps(never, [north]))


def test_a_training_may_stop_early_where_the_study_lets_it_and_no_earlier(aggregation: Aggregation) -> None:
    def asked(rounds: int, patience: int | None) -> TrainingSpec:
        stopping = EarlyStopping(metric="auroc", patience=patience) if patience else None
        return TrainingSpec(rounds=rounds, early_stopping=stopping)

    for fits in (asked(3, None), asked(3, 9), asked(20, 1), asked(20, 2)):
        assert chain.check_rounds(aggregation, fits)
    for other in (asked(2, None), asked(4, None), asked(2, 1), asked(20, 3)):
        with pytest.raises(Unproven, match=f"asks for {other.rounds} rounds"):
            chain.check_rounds(aggregation, other)
    assert chain.stopped_early(aggregation, asked(20, 2)) and not chain.stopped_early(aggregation, asked(3, 2))


def test_an_update_weighs_the_rows_that_were_signed_or_what_they_are_below(
    aggregation: Aggregation, release: Release
) -> None:
    def signed(rows: Count) -> list[SiteClaim]:
        cohort = release.cohort.model_copy(update={"train_rows": rows})
        stated = release.model_copy(update={"cohort": cohort})
        return [SiteClaim(stated, "0" * 32, datetime(2026, 11, 23, tzinfo=UTC), ())]

    for rows in (Count(about=1200), Count(below=1200)):
        assert chain.check_updates(aggregation, signed(rows))
    for rows in (Count(about=1210), Count(below=1199)):
        with pytest.raises(Unproven, match="round 0: the update of north had another weight"):
            chain.check_updates(aggregation, signed(rows))


def test_every_round_has_as_many_hospitals_as_asked_and_no_others(aggregation: Aggregation) -> None:
    chain.check_sites(aggregation, SiteSelector(at_least=2, only=(SiteId("north"), SiteId("south"))))
    with pytest.raises(Unproven, match="into round 2 went 1"):
        chain.check_sites(without(aggregation, "north", (2,)), SiteSelector(at_least=2))
    with pytest.raises(Unproven, match="north is none of them"):
        chain.check_sites(aggregation, SiteSelector(only=(SiteId("south"), SiteId("west"))))


def test_an_account_without_rounds_is_no_account(aggregation: Aggregation) -> None:
    with pytest.raises(Unproven, match="numbered"):
        chain.check_rounds(aggregation.model_copy(update={"rounds": ()}), TrainingSpec())


def test_rounds_out_of_order_are_refused(aggregation: Aggregation) -> None:
    with pytest.raises(Unproven, match="numbered"):
        chain.check_rounds(aggregation.model_copy(update={"rounds": aggregation.rounds[::-1]}), TrainingSpec())


def test_a_hospital_that_the_hub_does_not_name_is_no_witness(aggregation: Aggregation, north: SiteClaim) -> None:
    approvals = {"south": aggregation.approvals["south"]}
    unnamed = without(aggregation, "north", (0, 1, 2, 3)).model_copy(update={"approvals": approvals})
    with pytest.raises(Unproven, match="names no approval"):
        chain.check_approvals(unnamed, [north])


def test_who_took_part_without_an_approval_fails_it_though_it_signed_nothing(
    aggregation: Aggregation, north: SiteClaim
) -> None:
    approvals = {"north": aggregation.approvals["north"]}
    with pytest.raises(Unproven, match="south took part without"):
        chain.check_approvals(aggregation.model_copy(update={"approvals": approvals}), [north])
