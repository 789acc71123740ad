"""A key follows another when that one says so, ends when it or the hub says so, and what it signed before stays believed."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
import record_samples as made_up
import small_authority
import small_log
from receipt_samples import HUB, NORTH, folder, pinned

from rapha.errors import Unproven
from rapha.proof import checkpoint as notes
from rapha.proof.certified import trust_config
from rapha.proof.envelope import seal
from rapha.proof.key_change import (
    KeyChanges,
    check_rotation,
    followed,
    key_change_statement,
    read_key_change,
    signed_handover,
    signed_revocation,
    signed_rotation,
)
from rapha.proof.verify import judge_receipt
from rapha.records.certified import CertifiedBundle, TrustConfig
from rapha.records.key_change import KeyChange, Rotation
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, TrustedKeys, Window
from rapha.sdk.folder import read_folder

AT = small_authority.AT
OLD, NEW, NEWER = (made_up.private_key(name) for name in ("north", "next north", "third north"))
OF_OLD, OF_NEW, OF_NEWER = (made_up.trusted(name).keyid for name in ("north", "next north", "third north"))
CONFIG = TrustConfig.from_bytes(folder()["sigstore/trust-config.json"])


def logged(change: Receipt, signer: TrustedKey, at: datetime = AT, place: int = small_log.PLACE) -> CertifiedBundle:
    """As the hub logs it at that time, at that place."""
    return CertifiedBundle.from_bytes(small_log.certified(change, signer, small_authority.authority(HUB, at), place))


def of_north(key: str = "north") -> TrustedKey:
    return made_up.trusted(key).model_copy(update={"owner": "north"})


def rotated(at: datetime = AT, place: int = 4) -> CertifiedBundle:
    return logged(signed_rotation("north", OLD, NEW, at).ending, of_north(), at, place)


def revoked(keyid: str, until: datetime, by: str = HUB, at: datetime = AT, place: int = 5) -> CertifiedBundle:
    signer = made_up.trusted(HUB, "hub") if by == HUB else of_north(by)
    return logged(signed_revocation("north", keyid, until, at, made_up.private_key(by)), signer, at, place)


def after(*changes: CertifiedBundle, known: TrustedKeys | None = None) -> dict[str, Window | None]:
    """keyid -> window, of north's keys."""
    found = followed(known or pinned(), KeyChanges(trust_config=CONFIG, changes=changes))
    return {key.keyid: key.window for key in found.keys if key.owner == "north"}


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def test_a_rotation_adds_the_key_that_follows_and_ends_the_old_one_a_day_later() -> None:
    assert after(rotated()) == {
        OF_OLD: Window(end="2026-11-24T08:00:00Z"),
        OF_NEW: Window(start="2026-11-23T08:00:00Z"),
    }


def test_following_again_changes_nothing() -> None:
    once = followed(pinned(), KeyChanges(trust_config=CONFIG, changes=(rotated(),)))
    assert followed(once, KeyChanges(trust_config=CONFIG, changes=(rotated(),))) == once


def test_a_chain_of_rotations_is_followed_in_the_order_of_the_log() -> None:
    second = signed_rotation("north", NEW, NEWER, AT + hours(2)).ending
    then = logged(second, of_north("next north"), AT + hours(2), 5)
    assert set(after(then, rotated())) == {OF_OLD, OF_NEW, OF_NEWER}


def test_a_rotation_that_the_old_key_did_not_sign_is_refused() -> None:
    said = read_key_change(_payload(signed_rotation("north", OLD, NEW, AT).ending))
    for forger in (HUB, "south"):
        forged = seal(key_change_statement(said), made_up.private_key(forger))
        signer = made_up.trusted(forger, "hub" if forger == HUB else "node")
        with pytest.raises(Unproven, match="may not"):
            after(logged(forged, signer))


def test_a_hub_that_certifies_its_own_key_as_the_old_one_is_not_followed() -> None:
    said = read_key_change(_payload(signed_rotation("north", OLD, NEW, AT).ending))
    forged = seal(key_change_statement(said), made_up.private_key(HUB))
    borrowed = forged.signatures[0].model_copy(update={"keyid": OF_OLD})
    with pytest.raises(Unproven, match="does not fit"):
        after(logged(forged.model_copy(update={"signatures": (borrowed,)}), of_north()))


def test_a_key_of_another_cannot_follow() -> None:
    change = signed_rotation("north", OLD, made_up.private_key("south"), AT).ending
    with pytest.raises(Unproven, match="south's already"):
        after(logged(change, of_north()))


def test_a_rotation_of_another_hospitals_key_is_refused() -> None:
    change = signed_rotation("south", OLD, NEW, AT).ending
    with pytest.raises(Unproven, match="may not"):
        after(logged(change, of_north()))


@pytest.mark.parametrize("by", [HUB, "north"])
def test_a_revocation_ends_a_key_in_time_and_in_the_log(by: str) -> None:
    assert after(revoked(OF_OLD, AT - hours(5), by)) == {OF_OLD: Window(end="2026-11-23T03:00:00Z", below=5)}


def test_another_hospital_cannot_revoke() -> None:
    change = signed_revocation("north", OF_OLD, AT, AT, made_up.private_key("south"))
    with pytest.raises(Unproven, match="who may not"):
        after(logged(change, made_up.trusted("south")))


def test_the_key_that_follows_cannot_revoke_the_one_before() -> None:
    with pytest.raises(Unproven, match="who may not"):
        after(rotated(), revoked(OF_OLD, AT, "next north"))


def test_a_rotation_by_a_key_that_is_known_later_to_have_been_stolen_counts_for_nothing() -> None:
    """The thief rotates at eight, and the key is revoked as of seven."""
    assert set(after(rotated(), revoked(OF_OLD, AT - hours(1)))) == {OF_OLD}
    assert set(after(rotated(), revoked(OF_OLD, AT + hours(1)))) == {OF_OLD, OF_NEW}


def test_a_rotation_behind_the_revocation_in_the_log_counts_for_nothing_whatever_its_stamp() -> None:
    """A stamper in league with the thief dates back; the log does not."""
    assert set(after(rotated(place=6), revoked(OF_OLD, AT + hours(1)))) == {OF_OLD}


def test_changes_of_hospitals_that_are_not_pinned_are_passed_over() -> None:
    without = pinned().model_copy(update={"keys": tuple(key for key in pinned().keys if key.owner != "north")})
    assert after(rotated(), revoked(OF_OLD, AT), known=without) == {}


def test_a_change_that_no_known_stamper_saw_or_no_known_log_holds_is_refused() -> None:
    change = signed_rotation("north", OLD, NEW, AT).ending
    stranger = small_authority.authority(HUB, seed="stranger's ")
    with pytest.raises(Unproven, match="time stamp"):
        after(CertifiedBundle.from_bytes(small_log.certified(change, of_north(), stranger)))
    without_log = pinned().model_copy(update={"keys": tuple(key for key in pinned().keys if key.role != "log")})
    with pytest.raises(Unproven, match="key of the log"):
        after(rotated(), known=without_log)


def test_a_change_under_the_certificate_of_another_is_refused() -> None:
    change = signed_rotation("north", OLD, NEW, AT).ending
    with pytest.raises(Unproven, match="another signer"):
        after(logged(change, made_up.trusted("south").model_copy(update={"public_key": of_north().public_key})))


def test_a_change_under_a_certificate_of_another_key_is_refused() -> None:
    change = signed_rotation("north", OLD, NEW, AT).ending
    with pytest.raises(Unproven, match="another key than the one that signed"):
        after(logged(change, of_north("next north")))


def of_next_log() -> TrustedKey:
    public = small_log.private_key("next log").public_key()
    said = {"keyid": notes.keyid(public), "public_key": notes.public_to_pem(public)}
    return small_log.trusted_log().model_copy(update=said)


def handed_over(ending: TrustedKey, successor: TrustedKey, by: str = HUB) -> CertifiedBundle:
    change = signed_handover(ending, successor.public_key, AT, made_up.private_key(by))
    return logged(change, made_up.trusted(HUB, "hub") if by == HUB else of_north(by))


def test_a_log_goes_over_to_another_key_and_what_it_signs_with_it_is_followed() -> None:
    change = signed_rotation("north", OLD, NEW, AT + hours(1)).ending
    later = small_authority.authority(HUB, AT + hours(1))
    under_new = CertifiedBundle.from_bytes(small_log.certified(change, of_north(), later, 5, "next log"))
    with pytest.raises(Unproven, match="another log"):
        after(under_new)
    over = handed_over(small_log.trusted_log(), of_next_log())
    assert set(after(under_new, over)) == {OF_OLD, OF_NEW}
    found = followed(pinned(), KeyChanges(trust_config=CONFIG, changes=(over,)))
    windows = {key.keyid: key.window for key in found.keys if key.role == "log"}
    assert windows == {
        small_log.trusted_log().keyid: Window(end="2026-11-24T08:00:00Z"),
        of_next_log().keyid: None,
    }


def test_a_hospital_cannot_name_the_next_key_of_the_log() -> None:
    with pytest.raises(Unproven, match="may not"):
        after(handed_over(small_log.trusted_log(), of_next_log(), by="north"))


def test_the_hub_cannot_name_the_next_key_of_a_hospital() -> None:
    with pytest.raises(Unproven, match="may not"):
        after(handed_over(of_north(), of_north("next north")))


def of_two_hubs(change: Receipt, place: int = 4) -> TrustedKeys:
    """What follows for who pinned another hub beside this one, by a change that the other signed, certified and stamped."""
    other, authority = made_up.trusted("hub-b", "hub"), small_authority.authority("hub-b", seed="b ")
    known = TrustedKeys(keys=(*pinned().keys, other, *authority.trusted))
    log = ((small_log.private_key(small_log.ORIGIN).public_key(), None),)
    config = trust_config((authority.trust,), log, small_log.ORIGIN, "hub-b", authority.uri)
    bundle = CertifiedBundle.from_bytes(small_log.certified(change, other, authority, place))
    return followed(known, KeyChanges(trust_config=config, changes=(bundle,)))


@pytest.mark.parametrize("place", range(3))
def test_a_hub_names_no_successor_of_another_hubs_authority(place: int) -> None:
    of_hub = small_authority.authority(HUB).trusted[place]
    evil = made_up.trusted("evil").public_key
    with pytest.raises(Unproven, match="may not"):
        of_two_hubs(signed_handover(of_hub, evil, AT, made_up.private_key("hub-b")))


def test_where_two_hubs_are_pinned_neither_ends_a_hospitals_key_nor_changes_a_logs() -> None:
    by = made_up.private_key("hub-b")
    with pytest.raises(Unproven, match="more than one hub"):
        of_two_hubs(signed_revocation("north", OF_OLD, AT, AT, by))
    with pytest.raises(Unproven, match="more than one hub"):
        of_two_hubs(signed_handover(small_log.trusted_log(), of_next_log().public_key, AT, by))


def test_an_authority_goes_over_to_other_keys_and_what_it_certifies_with_them_is_followed() -> None:
    old, new = small_authority.authority(HUB), small_authority.authority(HUB, seed="next ")
    both = trust_config(
        (old.trust, new.trust),
        ((small_log.private_key(small_log.ORIGIN).public_key(), None),),
        small_log.ORIGIN,
        HUB,
        old.uri,
    )
    over = [
        logged(
            signed_handover(ending, following.public_key, AT, made_up.private_key(HUB)),
            made_up.trusted(HUB, "hub"),
            place=place,
        )
        for place, (ending, following) in enumerate(zip(old.trusted, new.trusted, strict=True), 1)
    ]
    change = signed_rotation("north", OLD, NEW, AT).ending
    last = CertifiedBundle.from_bytes(small_log.certified(change, of_north(), new, 6))
    found = followed(pinned(), KeyChanges(trust_config=both, changes=(last, *over)))
    assert OF_NEW in {key.keyid for key in found.keys}
    assert {key.keyid for key in new.trusted} <= {key.keyid for key in found.keys}
    with pytest.raises(Unproven):
        followed(pinned(), KeyChanges(trust_config=both, changes=(last, *over[1:])))


def test_history_stays_verifiable(tmp_path: Path) -> None:
    """A receipt of eight o'clock holds under keys that followed a rotation or a revocation of later, and not of before."""
    for path, data in folder().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)

    def holds(*changes: CertifiedBundle) -> bool:
        known = followed(pinned(), KeyChanges(trust_config=CONFIG, changes=changes))
        return judge_receipt(read_folder(tmp_path, known), NORTH).ok

    assert holds(rotated())
    assert holds(revoked(OF_OLD, AT + hours(1)))
    assert not holds(revoked(OF_OLD, AT))
    assert not holds(revoked(OF_OLD, AT + hours(1), place=4))  # it lies in the log where that receipt does


def test_what_a_rotation_is_at_the_hubs_door() -> None:
    good = signed_rotation("north", OLD, NEW, AT)
    assert check_rotation(good, "north", OLD.public_key()) == NEW.public_key()
    wrong = {
        "another hospital": (good, "south", OLD),
        "another key": (good, "north", NEW),
        "not signed by the key that follows": (Rotation(ending=good.ending, following=good.ending), "north", OLD),
        "two statements": (
            Rotation(ending=good.ending, following=signed_rotation("north", OLD, NEW, AT).following), "north", OLD,
        ),
        "a revocation": (
            Rotation(ending=signed_revocation("north", OF_OLD, AT, AT, OLD), following=good.following), "north", OLD,
        ),
    }  # fmt: skip
    for name, (rotation, owner, key) in wrong.items():
        with pytest.raises(Unproven):
            check_rotation(rotation, owner, key.public_key())
            pytest.fail(name)


@pytest.mark.parametrize(
    "change",
    [
        {"change": "rotated"},
        {"change": "rotated", "successor": of_north().public_key, "believed_until": "2026-11-23T08:00:00Z"},
        {"change": "revoked"},
        {"change": "revoked", "believed_until": "2026-13-23T08:00:00Z"},
    ],
)
def test_a_change_says_what_it_has_to_and_no_more(change: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        KeyChange.model_validate(
            {
                "role": "node",
                "owner": "north",
                "keyid": OF_OLD,
                "at": "2026-11-23T08:00:00.000Z",
                "nonce": "0" * 32,
                **change,
            }
        )


def _payload(receipt: Receipt) -> bytes:
    from rapha.proof.envelope import unverified_payload

    return unverified_payload(receipt)


def test_a_log_key_that_begins_after_the_stamp_is_believed_of_its_checkpoint() -> None:
    """A log shows under its key of now what was stamped and logged before."""
    late = Window(start="2026-11-25T00:00:00Z")
    keys = tuple(key.model_copy(update={"window": late}) if key.role == "log" else key for key in pinned().keys)
    assert after(rotated(), known=pinned().model_copy(update={"keys": keys})) == after(rotated())
