"""What a hub gives back of a freeze is that freeze, in its log; and a freeze is of one hospital, study and run."""

import json
from collections.abc import Callable
from typing import Any

import log_samples
import pytest
import record_samples as made_up
import small_log

from rapha.canonical import canonical_bytes, digest
from rapha.errors import Unproven
from rapha.proof.envelope import seal, unverified_payload
from rapha.proof.freeze import check_freeze, freeze_statement, is_freeze, parse_freeze, signed_freeze
from rapha.proof.given_back import check_given_back
from rapha.records.freeze import Freeze
from rapha.records.logged import LoggedReceipt

KEY = made_up.private_key("north")
OF = ("north", digest(b"study"), digest(b"approval"))
SIGNED = signed_freeze(*OF, digest(b"rows"), digest(b"tree"), KEY)
LOGGED = small_log.logged_freeze(SIGNED, KEY.public_key())


def test_it_is_read_as_it_was_written_and_no_two_are_alike() -> None:
    claim = parse_freeze(unverified_payload(SIGNED))
    assert freeze_statement(claim.freeze) == unverified_payload(SIGNED) and claim.digest == digest(
        unverified_payload(SIGNED)
    )
    again = signed_freeze(*OF, digest(b"rows"), digest(b"tree"), KEY)
    assert parse_freeze(unverified_payload(again)).freeze.nonce != claim.freeze.nonce
    assert claim.files == {"study.json": OF[1]}
    assert is_freeze(unverified_payload(SIGNED)) and not is_freeze(canonical_bytes({"predicateType": "other"}))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.update(_type="https://in-toto.io/Statement/v2"),
        lambda v: v.update(predicateType="https://rapha.dev/refusal/v1"),
        lambda v: v["predicate"].update(nonce="00" * 15),
        lambda v: v["predicate"].update(patients=311),
        lambda v: v["predicate"].pop("commitment"),
        lambda v: v["subject"][0]["digest"].update(sha256="00" * 32),
        lambda v: v.update(more=1),
    ],
)
def test_another_form_is_refused(change: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(unverified_payload(SIGNED))
    change(value)
    with pytest.raises(Unproven):
        parse_freeze(canonical_bytes(value))


@pytest.mark.parametrize("place", range(3))
def test_it_is_of_this_hospital_study_and_approval(place: int) -> None:
    asked = [*OF]
    check_freeze(SIGNED, *asked, KEY.public_key())
    asked[place] = digest(b"another") if place else "south"
    with pytest.raises(Unproven, match="another hospital, study or approval"):
        check_freeze(SIGNED, *asked, KEY.public_key())


def test_it_is_signed_by_that_key() -> None:
    with pytest.raises(Unproven, match="exactly one signature by this key"):
        check_freeze(SIGNED, *OF, made_up.private_key("south").public_key())


def test_what_was_given_back_holds() -> None:
    check_given_back(SIGNED, LOGGED, "freeze")


def _given(form: str, change: Callable[[dict[str, Any]], None]) -> LoggedReceipt:
    value = LOGGED.as_json()
    change(value[form]["verificationMaterial"])
    return LoggedReceipt.model_validate(value)


def _moved(material: dict[str, Any]) -> None:
    material["tlogEntries"][0]["logIndex"] = material["tlogEntries"][0]["inclusionProof"]["logIndex"] = "3"


def _other_entry(material: dict[str, Any]) -> None:
    another = small_log.placed_here(b"{}").as_json()
    material["tlogEntries"] = [another]


@pytest.mark.parametrize("form", ["bundle", "certified"])
@pytest.mark.parametrize(("change", "said"), [(_moved, "does not lead"), (_other_entry, "another signature")])
def test_a_proof_or_an_entry_that_is_of_something_else_is_refused(
    form: str, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(Unproven, match=said):
        check_given_back(SIGNED, _given(form, change), "freeze")


def test_another_envelope_in_either_form_is_refused() -> None:
    other = small_log.logged_freeze(seal(unverified_payload(SIGNED), made_up.private_key("south")), KEY.public_key())
    for mixed in (LOGGED.model_copy(update={"bundle": other.bundle}), LOGGED.model_copy(update={"certified": other.certified})):  # fmt: skip
        with pytest.raises(Unproven, match="another freeze"):
            check_given_back(SIGNED, mixed, "freeze")


def test_a_certificate_for_another_key_is_refused() -> None:
    other = small_log.logged_freeze(SIGNED, made_up.private_key("south").public_key(), "south")
    with pytest.raises(Unproven, match="for another key"):
        check_given_back(SIGNED, LOGGED.model_copy(update={"certified": other.certified}), "freeze")


def test_two_logs_are_refused() -> None:
    with pytest.raises(Unproven, match="in two logs"):
        check_given_back(SIGNED, _given("certified", log_samples.unknown_log), "freeze")


def test_another_hint_is_refused() -> None:
    with pytest.raises(Unproven, match="names another key"):
        check_given_back(SIGNED, _given("bundle", lambda m: m["publicKey"].update(hint="00" * 32)), "freeze")


def test_a_freeze_has_no_room_for_a_count() -> None:
    assert not {"patients", "train_rows", "count", "size"} & set(Freeze.model_fields)


def test_two_trees_of_one_size_are_refused() -> None:
    other = small_log.logged(SIGNED, KEY.public_key())
    apart = LOGGED.model_copy(update={"bundle": other})
    with pytest.raises(Unproven, match="two trees"):
        check_given_back(SIGNED, apart, "freeze")
