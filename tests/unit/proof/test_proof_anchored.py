"""Keys that were pinned by hand: former keys of a hub without a window, or its key of now alone. What is signed by both is taken for both."""

import key_change_samples as made
import pytest
import record_samples as made_up
import small_log
from certified_folder import small_trust_config
from key_change_samples import NEXT, NEXT_LOG, NORTH, OF_NORTH, THIRD, logged, over, revoked, rotated
from receipt_samples import HUB, pinned

from rapha.canonical import base64_text
from rapha.errors import Unproven
from rapha.proof.bundle import decoded
from rapha.proof.checkpoint import note_key_hash, public_from_der
from rapha.proof.key_change import followed
from rapha.records.certified import CertifiedBundle, TrustConfig
from rapha.records.key_change import KeyChanges
from rapha.records.wire import TrustedKey, TrustedKeys, Window

LOG_OVER = rotated(HUB, NEXT_LOG, "log", small_log.ORIGIN)
BY_FORMER = (logged(LOG_OVER, HUB, 0), *over(place=1), logged(revoked(NORTH, -1, **OF_NORTH), NEXT, 3, 2))
"""The hub goes over to another log, then to another key of its own, and that ends north's."""
ENDED = Window(end="2026-11-23T08:00:01Z")


def hub(*names: str) -> TrustedKeys:
    """The pinned keys, of the hub these, without a window."""
    keys = [made_up.trusted(name, "hub").model_copy(update={"owner": HUB}) for name in names]
    return pinned().model_copy(update={"keys": (*keys, *(key for key in pinned().keys if key.role != "hub"))})


def after(known: TrustedKeys, *changes: CertifiedBundle) -> TrustedKeys:
    config = TrustConfig.from_bytes(small_trust_config())
    return followed(known, KeyChanges(trust_config=config, changes=changes))


def windows(found: TrustedKeys, *roles: str) -> dict[str, Window | None]:
    return {key.keyid: key.window for key in found.keys if key.role in roles}


def keyid(name: str) -> str:
    return made_up.trusted(name).keyid


def others(found: TrustedKeys) -> list[TrustedKey]:
    return [key for key in found.keys if key.role != "hub"]


@pytest.mark.parametrize("by_hand", [(HUB, NEXT), (NEXT, HUB), (NEXT,)])
def test_what_a_former_key_changed_is_followed_by_whoever_pinned_the_present_one(by_hand: tuple[str, ...]) -> None:
    first = after(hub(HUB), *BY_FORMER)
    found = after(hub(*by_hand), *BY_FORMER)
    assert others(found) == others(first)
    assert windows(found, "hub") == {keyid(NEXT): None} | ({keyid(HUB): ENDED} if HUB in by_hand else {})


def test_a_key_before_the_one_before_is_taken_at_its_word_too() -> None:
    changes = (logged(LOG_OVER, HUB, 0), *over(place=1), *over(NEXT, THIRD, 3, 1))
    found = after(hub(THIRD), *changes)
    assert others(found) == others(after(hub(HUB), *changes))
    assert windows(found, "hub") == {keyid(THIRD): None}, "it was taken for following, and is not pinned by that"
    assert after(found, *changes) == found


def test_a_former_key_is_believed_no_longer_than_by_whoever_pinned_it() -> None:
    behind = logged(rotated(HUB, NEXT_LOG, "log", small_log.ORIGIN, 1), HUB, 3, 1)
    for known in (hub(HUB), hub(NEXT), hub(HUB, NEXT)):
        with pytest.raises(Unproven, match="had ended"):
            after(known, *over(), behind)


def test_a_former_key_that_was_ended_from_before_is_ended_for_all() -> None:
    changes = (logged(LOG_OVER, HUB, 0), *over(), logged(revoked(HUB, -3), NEXT, 3, 2))
    assert others(after(hub(NEXT), *changes)) == others(after(hub(HUB), *changes))
    revoked_then = Window(end="2026-11-23T05:00:00Z", below=3)
    assert windows(after(hub(HUB, NEXT), *changes), "hub")[keyid(HUB)] == revoked_then


def test_nobody_is_taken_for_a_former_key_on_the_word_of_one_of_the_two() -> None:
    """A thief of the former key, or whoever holds the present one, says so alone."""
    log = logged(LOG_OVER, HUB, 0)
    for alone in over():
        with pytest.raises(Unproven, match="may not"):
            after(hub(NEXT), log, alone)


def test_nobody_is_taken_for_a_former_key_by_a_key_that_is_not_pinned() -> None:
    with pytest.raises(Unproven, match="may not"):
        after(hub(THIRD), logged(LOG_OVER, HUB, 0), *over())


def test_two_hubs_of_two_names_stay_two() -> None:
    other = made_up.trusted("hub-b", "hub")
    known = hub(NEXT).model_copy(update={"keys": (*hub(NEXT).keys, other)})
    with pytest.raises(Unproven, match="more than one hub"):
        after(known, *BY_FORMER)


def test_a_second_key_that_nothing_links_stays_a_second_hub() -> None:
    with pytest.raises(Unproven, match="more than one hub"):
        after(hub(HUB, NEXT, THIRD), *BY_FORMER)


def test_whoever_pinned_the_later_of_two_successors_is_told() -> None:
    """The first in the log is the hub's; the second is a thief's, or the first was."""
    with pytest.raises(Unproven, match="in the log another did before: ask the hub"):
        after(hub(THIRD), *over(), *over(HUB, THIRD, 3))


def test_a_former_key_of_the_log_that_is_not_pinned_is_named() -> None:
    config = TrustConfig.from_bytes(small_trust_config())
    log = small_log.trusted_log()
    stranger = log.model_copy(update={"keyid": "0" * 64, "public_key": _ed25519(NEXT_LOG)})
    known = pinned().model_copy(update={"keys": (stranger, *(key for key in pinned().keys if key.role != "log"))})
    with pytest.raises(Unproven) as told:
        followed(known, KeyChanges(trust_config=config, changes=over()))
    assert (
        f"under the key {log.keyid}, which you have not pinned. Pin it only if the hub's /api/v1/keys lists it as a key of the log "
        f"{small_log.ORIGIN}"
    ) in str(told.value)
    assert str(told.value).startswith("entry 1 of the log: ")


@pytest.mark.parametrize("name", ["log.example/of-nobody", "log.example/\x1b[2J\nall is well"])
def test_nobody_is_told_to_pin_a_key_of_a_log_whose_name_is_not_pinned(name: str) -> None:
    """Whoever forges a list names its log: nothing of that is said, and no word of it reaches a terminal."""
    config = TrustConfig.from_bytes(small_trust_config()).as_json()
    (log,) = config["trustedRoot"]["tlogs"]
    public = public_from_der(decoded(log["publicKey"]["rawBytes"]))
    stranger = small_log.trusted_log().model_copy(update={"keyid": "0" * 64, "public_key": _ed25519(NEXT_LOG)})
    known = pinned().model_copy(update={"keys": (stranger, *(key for key in pinned().keys if key.role != "log"))})
    forged = base64_text(note_key_hash(name, public))
    log["baseUrl"], log["logId"] = f"https://{name}", {"keyId": forged}
    (first, *rest) = (change.as_json() for change in over())
    first["verificationMaterial"]["tlogEntries"][0]["logId"]["keyId"] = forged
    changes = tuple(CertifiedBundle.model_validate(one) for one in (first, *rest))
    with pytest.raises(Unproven) as told:
        followed(known, KeyChanges(trust_config=TrustConfig.model_validate(config), changes=changes))
    assert str(told.value).startswith("entry 1 of the log: ")
    assert "Pin it" not in str(told.value) and name not in str(told.value)


def test_a_list_that_is_older_than_the_pinned_keys_is_said_to_be() -> None:
    ended = Window(end="2026-11-23T05:00:00Z", below=5)
    known = hub(HUB, NEXT)
    former = known.keys[0].model_copy(update={"window": ended})
    known = known.model_copy(update={"keys": (former, *known.keys[1:])})
    with pytest.raises(
        Unproven, match="as revoked by entry 5 of the log, which this list does not have: it is older than your keys"
    ):
        after(known, logged(LOG_OVER, HUB, 0))
    later = logged(revoked(HUB, -3), NEXT, 5, 2)
    assert len(after(known, logged(LOG_OVER, HUB, 0), *over(), later).of_role("log")) == 2


def test_a_pin_that_is_newer_than_the_list_is_said_to_be() -> None:
    with pytest.raises(Unproven, match="this list is older than the key that you pinned"):
        after(hub(THIRD), *over())


def test_a_former_key_that_is_pinned_with_an_end_keeps_it() -> None:
    """Whoever wrote that it is not believed from before it was followed is not told otherwise, and goes on with the key of now."""
    known = hub(HUB, NEXT)
    ended = known.keys[0].model_copy(update={"window": Window(end="2026-11-23T05:00:00Z")})
    known = known.model_copy(update={"keys": (ended, *known.keys[1:])})
    assert after(known, *over()) == known


def _ed25519(name: str) -> str:
    return made.checkpoint.public_to_pem(small_log.private_key(name).public_key())
