"""Two different people sign the exact study under the exact rules, and neither is the researcher. Everything else is tried."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from rapha.node.steward_keys import public_line
from rapha.policy.decide import Request, decide_again
from rapha.policy.rules import SiteRules
from rapha.policy.stewards import SignedYes, Stewards, decided_by, refused_steward, sign, valid_signers
from rapha.proof import keys
from rapha.records.metrics import Count
from rapha.records.record import DispatchId, SiteId
from rapha.records.site import Approval, StewardSignature
from rapha.records.study import Study

NOON = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
NAMES = {"maria-lopez": "María López", "jan-de-vries": "Jan de Vries", "kim-lee": "Kim Lee"}


@cache
def key_of(steward: str) -> keys.PrivateKey:
    return keys.generate()


def written(*who: str, needed: int = 2) -> dict[str, Any]:
    named = who or tuple(NAMES)
    return {
        "needed": needed,
        "who": [{"steward": s, "name": NAMES[s], "key": public_line(key_of(s).public_key())} for s in named],
    }


@pytest.fixture
def rules(rules: SiteRules) -> SiteRules:
    return SiteRules.model_validate({**rules.as_json(), "stewards": written(), "approve": {"by": "steward"}})


def yes(study: Study, rules: SiteRules, **changed: Any) -> SignedYes:
    exact = SignedYes(DispatchId("d-1"), study.digest, SiteId("north"), rules.digest)
    return exact._replace(**changed)


def approval(study: Study, rules: SiteRules, *signed: StewardSignature, by: str = "", **changed: Any) -> Approval:
    names = tuple(sorted({one.steward for one in signed}))
    return Approval(
        dispatch=DispatchId("d-1"), study_digest=study.digest, site=SiteId("north"), policy_digest=rules.digest,
        decided_by=by or decided_by(names), feasible=Count(about=100), at=NOON, signatures=signed,
    ).model_copy(update=changed)  # fmt: skip


def signed(study: Study, rules: SiteRules, steward: str, private: str = "", **changed: Any) -> StewardSignature:
    return sign(yes(study, rules, **changed), steward, key_of(private or steward), NOON)


def reason(study: Study, rules: SiteRules, given: Approval, researcher: str = "Ada Lovelace") -> str | None:
    refused = decide_again(Request(study=study, researcher=researcher, isolated=True), rules, given)
    return refused.reason if refused else None


def test_two_stewards_who_signed_this_hold(study: Study, rules: SiteRules) -> None:
    both = approval(study, rules, signed(study, rules, "jan-de-vries"), signed(study, rules, "maria-lopez"))
    assert both.decided_by == "stewards:jan-de-vries+maria-lopez"
    assert reason(study, rules, both) is None
    assert (
        Approval.from_bytes(both.as_bytes()) == both
        and reason(study, rules, Approval.from_bytes(both.as_bytes())) is None
    )


def test_one_is_enough_only_where_the_rules_ask_for_one(study: Study, rules: SiteRules) -> None:
    one = approval(study, rules, signed(study, rules, "maria-lopez"))
    assert reason(study, rules, one) == "not-approved"
    of_one = SiteRules.model_validate({**rules.as_json(), "stewards": written(needed=1)})
    assert reason(study, of_one, approval(study, of_one, signed(study, of_one, "maria-lopez"))) is None


def test_one_steward_twice_is_one(study: Study, rules: SiteRules) -> None:
    first, again = (
        signed(study, rules, "maria-lopez"),
        sign(yes(study, rules), "maria-lopez", key_of("maria-lopez"), NOON.replace(hour=13)),
    )
    for by in ("", "stewards:maria-lopez+maria-lopez", "stewards:jan-de-vries+maria-lopez"):
        assert reason(study, rules, approval(study, rules, first, again, by=by)) == "not-approved"


def test_one_steward_does_not_sign_for_another(study: Study, rules: SiteRules) -> None:
    own = signed(study, rules, "maria-lopez")
    forged = signed(study, rules, "jan-de-vries", private="maria-lopez")
    renamed = own.model_copy(update={"steward": "jan-de-vries"})
    for other in (forged, renamed):
        given = approval(study, rules, own, other)
        assert given.decided_by == "stewards:jan-de-vries+maria-lopez" and reason(study, rules, given) == "not-approved"


@pytest.mark.parametrize(
    "of",
    [
        {"dispatch": "d-2"},
        {"study_digest": "sha256:" + "0" * 64},
        {"site": "south"},
        {"policy_digest": "sha256:" + "0" * 64},
    ],
)
def test_a_signature_of_something_else_cannot_be_replayed(study: Study, rules: SiteRules, of: dict[str, str]) -> None:
    given = approval(study, rules, signed(study, rules, "jan-de-vries"), signed(study, rules, "maria-lopez", **of))
    assert reason(study, rules, given) == "not-approved"


@pytest.mark.parametrize(
    "changed",
    [
        {"dispatch": "d-2"}, {"site": SiteId("south")}, {"decided_by": "steward:maria-lopez"}, {"decided_by": "steward:eve"},
        {"decided_by": "rule:small-models"}, {"signatures": ()},
    ],
)  # fmt: skip
def test_an_approval_that_was_edited_does_not_hold(study: Study, rules: SiteRules, changed: dict[str, Any]) -> None:
    both = approval(study, rules, signed(study, rules, "jan-de-vries"), signed(study, rules, "maria-lopez"))
    assert reason(study, rules, both.model_copy(update=changed)) == "not-approved"


def test_a_signature_without_its_moment_or_a_byte_does_not_count(study: Study, rules: SiteRules) -> None:
    own, other = signed(study, rules, "maria-lopez"), signed(study, rules, "jan-de-vries")
    flipped = "A" if other.signature[20] != "A" else "B"
    for changed in ({"at": NOON.replace(hour=1)}, {"signature": other.signature[:20] + flipped + other.signature[21:]}):
        assert reason(study, rules, approval(study, rules, own, other.model_copy(update=changed))) == "not-approved"


@pytest.mark.parametrize(
    "researcher", ["María López", "maria lopez", "LOPEZ, Maria", "Mаrіа Lореz", "maria-lopez", "Dr María López"]
)
def test_nobody_approves_their_own_study_however_the_name_is_spelled(
    study: Study, rules: SiteRules, researcher: str
) -> None:
    open_to_all = SiteRules.model_validate({**rules.as_json(), "researchers": "any"})
    both = approval(
        study, open_to_all, signed(study, open_to_all, "jan-de-vries"), signed(study, open_to_all, "maria-lopez")
    )
    assert reason(study, open_to_all, both, researcher) == "not-approved"
    others = approval(
        study, open_to_all, signed(study, open_to_all, "jan-de-vries"), signed(study, open_to_all, "kim-lee")
    )
    assert reason(study, open_to_all, others, researcher) is None


def test_without_named_stewards_a_name_does_but_not_the_researchers_own(study: Study, rules: SiteRules) -> None:
    unnamed = SiteRules.model_validate({key: value for key, value in rules.as_json().items() if key != "stewards"})
    assert reason(study, unnamed, approval(study, unnamed, by="steward:eve")) is None
    assert reason(study, unnamed, approval(study, unnamed, by="steward:ada-lovelace")) == "not-approved"
    assert reason(study, unnamed, approval(study, unnamed, by="stewards:eve+jo")) == "not-approved"


def test_who_may_not_sign_is_told_why(rules: SiteRules) -> None:
    assert "name no steward eve" in (refused_steward(rules.stewards, "eve", "Ada Lovelace") or "")
    assert "nobody approves their own study" in (refused_steward(rules.stewards, "kim-lee", "Lee, Kim") or "")
    assert refused_steward(rules.stewards, "kim-lee", "Ada Lovelace") is None


def test_names_of_stewards_whom_the_rules_do_not_name_do_not_count(study: Study, rules: SiteRules) -> None:
    stranger = sign(yes(study, rules), "eve", key_of("eve"), NOON)
    assert rules.stewards is not None
    assert valid_signers(yes(study, rules), (stranger,), rules.stewards, "Ada Lovelace") == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "Maria Lopez"}, "may be one person"),
        ({"steward": "maria-lopez"}, "may be one person"),
        ({"key": "AAAA"}, "not a steward's public key"),
        ({"key": "same"}, "may be one person"),
    ],
)
def test_two_stewards_have_two_names_and_two_keys(change: dict[str, str], told: str) -> None:
    two = written("maria-lopez", "jan-de-vries")
    change = {**change, "key": two["who"][0]["key"]} if change.get("key") == "same" else change
    with pytest.raises(ValidationError, match=told):
        Stewards.model_validate({**two, "who": [two["who"][0], {**two["who"][1], **change}]})


def test_two_cannot_be_asked_of_one() -> None:
    with pytest.raises(ValidationError, match="two have to sign"):
        Stewards.model_validate(written("maria-lopez"))
