"""Whoever would pass a key off as a hub's next one: every way that is told apart from the one that counts, and what it comes to."""

from datetime import timedelta
from pathlib import Path

import pytest
import record_samples as made_up
import small_authority
import small_log
from receipt_samples import AGGREGATION, HUB, folder, pinned

from rapha.errors import Unproven
from rapha.proof import checkpoint
from rapha.proof.envelope import seal, unverified_payload
from rapha.proof.key_change import followed, signed_handover, signed_revocation, signed_rotation
from rapha.proof.verify import judge
from rapha.records.certified import CertifiedBundle, TrustConfig
from rapha.records.key_change import KeyChanges, Rotation
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, TrustedKeys, Window
from rapha.sdk.folder import read_folder

AT = small_authority.AT
CONFIG = TrustConfig.from_bytes(folder()["sigstore/trust-config.json"])
NEXT, THIRD = "next hub", "third hub"


def of_hub(key: str, owner: str = HUB) -> TrustedKey:
    return made_up.trusted(key, "hub").model_copy(update={"owner": owner})


def logged(change: Receipt, signer: TrustedKey, place: int, hours: float = 0) -> CertifiedBundle:
    authority = small_authority.authority(HUB, AT + timedelta(hours=hours))
    return CertifiedBundle.from_bytes(small_log.certified(change, signer, authority, place))


def rotation(old: str, new: str, owner: str = HUB) -> Rotation:
    return signed_rotation(owner, made_up.private_key(old), made_up.private_key(new), AT, "hub")


def over(old: str = HUB, new: str = NEXT, place: int = 1, hours: float = 0) -> tuple[CertifiedBundle, CertifiedBundle]:
    """As a hub goes over: what its new key says, and what its old one says."""
    both = rotation(old, new)
    return logged(both.following, of_hub(new), place, hours), logged(both.ending, of_hub(old), place + 1, hours)


def after(*changes: CertifiedBundle, known: TrustedKeys | None = None) -> dict[str, Window | None]:
    """keyid -> window, of the hub's own keys."""
    found = followed(known or pinned(), KeyChanges(trust_config=CONFIG, changes=changes))
    return {key.keyid: key.window for key in found.keys if key.role == "hub"}


def with_hubs(*keys: TrustedKey) -> TrustedKeys:
    """What is pinned, with these keys of hubs alone."""
    others = tuple(key for key in pinned().keys if key.role != "hub")
    return pinned().model_copy(update={"keys": (*keys, *others)})


def keyid(key: str) -> str:
    return of_hub(key).keyid


def test_a_change_by_both_keys_is_followed_and_the_old_one_ends_at_once() -> None:
    """Not a day later, as a hospital's: nothing that a hub signs is on its way."""
    windows = {keyid(HUB): Window(end="2026-11-23T08:00:01Z"), keyid(NEXT): Window(start="2026-11-23T08:00:00Z")}
    assert after(*over()) == windows
    assert after(*reversed(over())) == windows  # whatever order it is told in: the log has one


def test_the_same_list_again_and_the_same_change_replayed_say_nothing_new() -> None:
    once = followed(pinned(), KeyChanges(trust_config=CONFIG, changes=over()))
    assert followed(once, KeyChanges(trust_config=CONFIG, changes=over())) == once
    replayed = logged(rotation(HUB, NEXT).ending, of_hub(HUB), 5, hours=2)
    assert after(*over(), replayed) == after(*over())


def test_a_chain_is_followed_from_any_of_its_keys() -> None:
    chain = (*over(), *over(NEXT, THIRD, 3, hours=1))
    assert set(after(*chain)) == {keyid(HUB), keyid(NEXT), keyid(THIRD)}
    for key in (NEXT, THIRD):  # pinned later than the first change
        assert keyid(HUB) not in after(*chain, known=with_hubs(of_hub(key)))
        assert keyid(THIRD) in after(*chain, known=with_hubs(of_hub(key)))


def test_a_jump_that_skips_a_key_is_refused() -> None:
    with pytest.raises(Unproven, match="is missing from this list"):
        after(*over(NEXT, THIRD, 3))
    straight = signed_rotation(HUB, made_up.private_key(NEXT), made_up.private_key(THIRD), AT, "hub")
    said = unverified_payload(straight.ending).replace(keyid(NEXT).encode(), keyid(HUB).encode())
    forged = (seal(said, made_up.private_key(THIRD)), seal(said, made_up.private_key(NEXT)))
    with pytest.raises(Unproven, match="may not"):
        after(*over(), logged(forged[0], of_hub(THIRD), 3), logged(forged[1], of_hub(NEXT), 4))


def test_a_change_that_the_former_key_did_not_sign_is_refused() -> None:
    said = unverified_payload(rotation(HUB, NEXT).ending)
    following = logged(seal(said, made_up.private_key(NEXT)), of_hub(NEXT), 1)
    with pytest.raises(Unproven, match="may not"):
        after(following, logged(seal(said, made_up.private_key("north")), made_up.trusted("north"), 2))
    forged = seal(said, made_up.private_key(NEXT))
    borrowed = forged.model_copy(
        update={"signatures": (forged.signatures[0].model_copy(update={"keyid": keyid(HUB)}),)}
    )
    with pytest.raises(Unproven, match="does not fit"):
        after(following, logged(borrowed, of_hub(HUB), 2))
    assert set(after(following)) == {keyid(HUB)}  # the new one's word alone is none


def test_a_hospitals_next_key_says_nothing_of_itself() -> None:
    north = signed_rotation("north", made_up.private_key("north"), made_up.private_key("next north"), AT)
    of_next = made_up.trusted("next north").model_copy(update={"owner": "north"})
    with pytest.raises(Unproven, match="may not"):
        after(logged(north.following, of_next, 1))


def test_a_change_that_the_next_key_did_not_sign_is_refused() -> None:
    both, (_, ending) = rotation(HUB, NEXT), over()
    with pytest.raises(Unproven, match="has not signed that it does"):
        after(ending)
    with pytest.raises(Unproven, match="has not signed that it does"):  # but another statement of the same keys
        after(logged(both.following, of_hub(NEXT), 1), ending)
    with pytest.raises(Unproven, match="or only later"):
        after(logged(both.following, of_hub(NEXT), 3), logged(both.ending, of_hub(HUB), 2))
    (signed,) = seal(unverified_payload(both.ending), made_up.private_key("stranger")).signatures
    forged = both.following.model_copy(update={"signatures": (signed.model_copy(update={"keyid": keyid(NEXT)}),)})
    with pytest.raises(Unproven, match="does not fit"):
        after(logged(forged, of_hub(NEXT), 1), logged(both.ending, of_hub(HUB), 2))


def test_a_hub_neither_takes_a_hospitals_key_nor_names_a_log_key_in_its_own_way() -> None:
    with pytest.raises(Unproven, match="north's already"):
        after(*over(new="north"))
    by_hub = signed_handover(of_hub(HUB), of_hub(NEXT).public_key, AT, made_up.private_key(HUB))
    with pytest.raises(Unproven, match="has not signed"):
        after(logged(by_hub, of_hub(HUB), 1))


def test_a_change_of_somebody_elses_hub_is_refused_or_passed_over() -> None:
    """Another hub's key, of another name or of this one's, logged and certified by this hub."""
    other = signed_rotation("hub-b", made_up.private_key("hub-b"), made_up.private_key(NEXT), AT, "hub")
    changes = (logged(other.following, of_hub(NEXT, "hub-b"), 1), logged(other.ending, of_hub("hub-b", "hub-b"), 2))
    assert set(after(*changes)) == {keyid(HUB)}
    of_this_name = over("hub-b")
    with pytest.raises(Unproven, match="another hub's of the same name"):
        after(*of_this_name)
    two = with_hubs(of_hub(HUB), of_hub("hub-b", "hub-b"))
    in_the_name = rotation(HUB, NEXT, owner="hub-b")
    with pytest.raises(Unproven, match="may not"):
        after(logged(in_the_name.following, of_hub(NEXT), 1), logged(in_the_name.ending, of_hub(HUB), 2), known=two)


def test_nothing_that_the_former_key_says_later_counts() -> None:
    """Not which key follows it (a downgrade to another branch), nor that a hospital's or the new key has ended."""
    branch = over(HUB, THIRD, 3, hours=2)
    assert after(*over(), *branch) == after(*over())
    old = made_up.private_key(HUB)
    at = AT + timedelta(hours=2)
    north = signed_revocation("north", made_up.trusted("north").keyid, at, at, old)
    with pytest.raises(Unproven, match="had ended"):
        after(*over(), logged(north, of_hub(HUB), 3, hours=2))
    with pytest.raises(Unproven, match="had ended"):
        after(*over(), logged(signed_revocation(HUB, keyid(NEXT), at, at, old, "hub"), of_hub(HUB), 3, hours=2))


def test_the_new_key_goes_back_to_no_former_one() -> None:
    """Were the hub to say so, the former one keeps its end: nothing signs for it from then on."""
    windows = after(*over(), *over(NEXT, HUB, 3, hours=1))
    assert windows[keyid(HUB)] == Window(end="2026-11-23T08:00:01Z")
    assert windows[keyid(NEXT)] == Window(start="2026-11-23T08:00:00Z", end="2026-11-23T09:00:01Z")


def test_the_new_key_ends_the_former_one_from_before_the_change_and_no_hub_beside_it() -> None:
    at = AT + timedelta(hours=2)

    def revoked(owner: str = HUB) -> CertifiedBundle:
        said = signed_revocation(owner, keyid(HUB), AT - timedelta(hours=3), at, made_up.private_key(NEXT), "hub")
        return logged(said, of_hub(NEXT), 3, hours=2)

    cut = Window(end="2026-11-23T05:00:00Z", below=3)
    assert after(*over(), revoked())[keyid(HUB)] == cut
    assert after(*over(), revoked(), known=with_hubs(of_hub(HUB), of_hub("hub-b", "hub-b")))[keyid(HUB)] == cut
    beside = with_hubs(of_hub(HUB), of_hub("another of that name"))
    with pytest.raises(Unproven, match="more than one hub"):
        after(*over(), revoked(), known=beside)
    with pytest.raises(Unproven, match="may not"):
        after(*over(), revoked("north"))


def test_what_a_stolen_key_said_behind_its_revocation_in_the_log_counts_for_nothing() -> None:
    """Its thief, in league with the stamper, names a key of their own, dated before."""
    ends = signed_revocation(HUB, keyid(HUB), AT + timedelta(hours=1), AT, made_up.private_key(HUB), "hub")
    assert set(after(*over(place=5), logged(ends, of_hub(HUB), 4))) == {keyid(HUB)}
    assert set(after(*over(place=1), logged(ends, of_hub(HUB), 4))) == {keyid(HUB), keyid(NEXT)}


def test_a_folder_of_before_holds_unless_its_key_was_stolen_by_then(tmp_path: Path) -> None:
    for path, data in folder().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)

    def wrong(*changes: CertifiedBundle) -> dict[str, int]:
        known = followed(pinned(), KeyChanges(trust_config=CONFIG, changes=changes))
        return {one.subject: one.steps[-1].number for one in judge(read_folder(tmp_path, known)) if not one.ok}

    ends = signed_revocation(HUB, keyid(HUB), AT, AT, made_up.private_key(NEXT), "hub")
    assert wrong(*over(hours=1)) == {}
    assert wrong(*over(hours=1), logged(ends, of_hub(NEXT), 6, hours=2)) == {AGGREGATION: 18}


def ended_hub(window: Window, key: str = HUB) -> TrustedKey:
    return of_hub(key).model_copy(update={"window": window})


def revoked_by(signer: str, key: str, place: int, hours: float, believed: float, role: str = "hub") -> CertifiedBundle:
    """`believed`: until when, in hours."""
    owner, keyid_ = (HUB, keyid(key)) if role == "hub" else (key, made_up.trusted(key).keyid)
    until, at = AT + timedelta(hours=believed), AT + timedelta(hours=hours)
    return logged(
        signed_revocation(owner, keyid_, until, at, made_up.private_key(signer), role), of_hub(signer), place, hours
    )


ROTATED, BEGUN = Window(end="2026-11-23T08:00:01Z"), Window(start="2026-11-23T08:00:00Z")
STOLEN = Window(end="2026-11-23T07:00:00Z", below=5)
PINS = {
    "the first key": with_hubs(of_hub(HUB)),
    "the second key": with_hubs(of_hub(NEXT)),
    "as the hub lists them": with_hubs(ended_hub(ROTATED), of_hub(NEXT)),
    "as the hub lists them after the revocation": with_hubs(ended_hub(STOLEN), of_hub(NEXT)),
}


@pytest.mark.parametrize("pin", PINS)
def test_that_a_former_key_was_stolen_makes_nothing_count_that_it_signed_after_its_change(pin: str) -> None:
    """Its end by the revocation is not held against changes, that by its rotation is: a branch of two hours later stays none."""
    stolen = (*over(), *over(HUB, THIRD, 3, hours=2), revoked_by(NEXT, HUB, 5, 3, -1))
    found = after(*stolen, known=PINS[pin])
    assert keyid(THIRD) not in found and keyid(NEXT) in found
    assert found.get(keyid(HUB), STOLEN) == STOLEN
    again = followed(PINS[pin], KeyChanges(trust_config=CONFIG, changes=stolen))
    assert followed(again, KeyChanges(trust_config=CONFIG, changes=stolen)) == again


@pytest.mark.parametrize("pin", PINS)
@pytest.mark.parametrize("hours", [0, 2])
def test_what_follows_on_a_branch_that_does_not_count_does_not_stop_who_follows(pin: str, hours: int) -> None:
    branch = (*over(HUB, THIRD, 3, hours=hours), *over(THIRD, "fourth hub", 5, hours=3))
    assert {keyid(THIRD), keyid("fourth hub")}.isdisjoint(after(*over(), *branch, known=PINS[pin]))


def test_of_two_successors_the_first_in_the_log_counts() -> None:
    """The second is stamped in the same second, or dated back to it."""
    assert after(*over(), *over(HUB, THIRD, 3)) == {keyid(HUB): ROTATED, keyid(NEXT): BEGUN}
    alone = with_hubs(ended_hub(ROTATED), of_hub(NEXT))
    assert keyid(THIRD) not in after(
        *over(HUB, THIRD, 3), known=alone
    )  # to who knows the first, and is told of the second alone
    north = revoked_by(NEXT, "north", 5, 3, 0, "node")  # the hub is one yet
    assert after(*over(), *over(HUB, THIRD, 3), north) == {keyid(HUB): ROTATED, keyid(NEXT): BEGUN}


@pytest.mark.parametrize("key, role", [(NEXT, "hub"), ("north", "node")])
def test_behind_its_change_in_the_log_a_former_key_ends_no_other(key: str, role: str) -> None:
    """In the second of its rotation, which its window has yet; dated back to it; or once it is known to have been stolen."""
    with pytest.raises(Unproven, match="had ended"):
        after(*over(), revoked_by(HUB, key, 3, 0, 0, role))
    stolen = with_hubs(ended_hub(STOLEN), ended_hub(BEGUN, NEXT))
    with pytest.raises(Unproven, match="had ended"):
        after(revoked_by(HUB, key, 3, 2, 0, role), known=stolen)
    with pytest.raises(Unproven, match="had ended"):
        after(*over(), revoked_by(HUB, key, 3, 0, 0, role), known=stolen)


def test_a_key_that_had_ended_ends_none_that_goes_on_whatever_the_list_leaves_out() -> None:
    with pytest.raises(Unproven, match="had ended before it"):
        after(revoked_by(HUB, NEXT, 3, 0, 0), known=with_hubs(ended_hub(ROTATED), of_hub(NEXT)))


def test_the_log_that_the_stolen_key_named_while_it_was_the_hubs_is_followed_yet() -> None:
    """Also by who knows already that it was stolen by then."""
    successor = checkpoint.public_to_pem(small_log.private_key("next log").public_key())
    log = signed_handover(small_log.trusted_log(), successor, AT, made_up.private_key(HUB))
    changes = (logged(log, of_hub(HUB), 0), *over(), revoked_by(NEXT, HUB, 5, 3, -1))
    once = followed(pinned(), KeyChanges(trust_config=CONFIG, changes=changes))
    assert sum(key.role == "log" for key in once.keys) == 2
    assert followed(once, KeyChanges(trust_config=CONFIG, changes=changes)) == once
