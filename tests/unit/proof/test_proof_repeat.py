"""A second machine's word raises a receipt to T1 where its key is pinned for that; in every other case it does not."""

import json
from pathlib import Path

import pytest
import record_samples as made_up
from receipt_samples import NORTH, folder, payload_of, pinned

from rapha.canonical import base64_text, canonical_bytes, digest
from rapha.errors import Unproven
from rapha.proof.claim import T0_NOT_SHOWN
from rapha.proof.envelope import seal, unverified_payload
from rapha.proof.repeat import T1_NOT_SHOWN, raised, signed_repeat, site_of
from rapha.proof.shown import STAMPED_NOT_SHOWN
from rapha.proof.verify import ModelFolder, judge_receipt
from rapha.records.receipt import Verdict
from rapha.records.wire import TrustedKey, TrustedKeys
from rapha.sdk.folder import read_folder

FILES = folder()
STATED = payload_of(FILES, NORTH)
ROOT = made_up.transcript("north").root


def of_role(owner: str, key_of: str, role: str = "repeater") -> TrustedKey:
    return made_up.trusted(key_of).model_copy(update={"owner": owner, "role": role})


def opened(tmp_path: Path, *more: TrustedKey, trusted: bool = True) -> ModelFolder:
    for path, data in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    keys = pinned()
    known = TrustedKeys(keys=(*keys.keys, *more), witnesses_at_least=keys.witnesses_at_least)
    if not trusted:
        (tmp_path / "receipts" / "keys.json").write_bytes(known.as_bytes())
    return read_folder(tmp_path, known if trusted else None)


def word(signer: str = "second machine", payload: bytes = STATED, root: str = ROOT, waypoints: int = 40) -> bytes:
    return signed_repeat(payload, root, waypoints, made_up.AT, made_up.private_key(signer)).as_bytes()


def judged(found: ModelFolder, said: bytes) -> Verdict:
    return raised(judge_receipt(found, NORTH), found, said)


def why(verdict: Verdict) -> str:
    assert (verdict.ok, verdict.tier) == (False, "T0")
    assert [step.number for step in verdict.steps if not step.passed] == [20]
    return verdict.steps[-1].detail


def test_a_pinned_repeater_raises_the_receipt(tmp_path: Path) -> None:
    found = opened(tmp_path, of_role("north", "second machine"))
    verdict = judged(found, word())
    assert (verdict.ok, verdict.tier, verdict.steps[-1].number) == (True, "T1", 20)
    assert set(T1_NOT_SHOWN) <= set(verdict.not_shown)
    assert T0_NOT_SHOWN[0] not in verdict.not_shown
    assert {*T0_NOT_SHOWN[1:3], STAMPED_NOT_SHOWN} <= set(verdict.not_shown)
    assert judge_receipt(found, NORTH).tier == "T0"
    assert site_of(word()) == "north"


def test_a_word_in_which_a_name_stands_twice_is_none(tmp_path: Path) -> None:
    """What most readers take of it is what was signed."""
    twice = word().replace(b'"payload":', b'"payload":"AAAA","payload":', 1)
    with pytest.raises(Unproven, match="not a DSSE envelope"):
        site_of(twice)
    assert "not a DSSE envelope" in why(judged(opened(tmp_path, of_role("north", "second machine")), twice))


def test_a_key_that_came_with_the_folder_raises_nothing(tmp_path: Path) -> None:
    assert "no keys are pinned" in why(
        judged(opened(tmp_path, of_role("north", "second machine"), trusted=False), word())
    )


def test_a_stranger_and_a_key_of_another_role_raise_nothing(tmp_path: Path) -> None:
    assert "not pinned" in why(judged(opened(tmp_path), word()))
    assert "not pinned" in why(judged(opened(tmp_path, of_role("north", "second machine", "node")), word()))


def test_nobody_raises_their_own_word(tmp_path: Path) -> None:
    """With that key pinned twice the receipt itself does not hold; should it ever, this does not either."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    twice = opened(tmp_path / "one", of_role("north", "north"))
    assert not judge_receipt(twice, NORTH).ok
    holds = judge_receipt(opened(tmp_path / "two"), NORTH)
    assert "own word" in why(raised(holds, twice, word("north")))


def test_a_repeater_of_another_hospital_raises_nothing(tmp_path: Path) -> None:
    assert "pinned for south" in why(judged(opened(tmp_path, of_role("south", "second machine")), word()))


def test_one_machine_may_repeat_for_two_hospitals(tmp_path: Path) -> None:
    both = [of_role(owner, "second machine") for owner in ("south", "north")]
    assert judged(opened(tmp_path, *both), word()).tier == "T1"


def test_a_word_of_another_receipt_raises_nothing(tmp_path: Path) -> None:
    other = json.loads(STATED)
    other["predicate"]["runDetails"]["metadata"]["invocationId"] = "0" * 32
    found = opened(tmp_path, of_role("north", "second machine"))
    assert "another receipt" in why(judged(found, word(payload=canonical_bytes(other))))


@pytest.mark.parametrize(("name", "value"), [("root", digest(b"another")), ("waypoints", 41), ("site", "south")])
def test_every_field_is_held_against_the_receipt(tmp_path: Path, name: str, value: object) -> None:
    stated = json.loads(unverified_payload(_envelope(word())))
    stated["predicate"][name] = value
    stated["subject"][0]["name"] = f"receipts/{stated['predicate']['site']}.json"
    said = seal(canonical_bytes(stated), made_up.private_key("second machine")).as_bytes()
    why(judged(opened(tmp_path, of_role("north", "second machine")), said))


def test_a_signature_that_does_not_fit_raises_nothing(tmp_path: Path) -> None:
    envelope = _envelope(word())
    edited = unverified_payload(envelope).replace(b'"waypoints":40', b'"waypoints":49')
    said = envelope.model_copy(update={"payload": base64_text(edited)}).as_bytes()
    assert "signature" in why(judged(opened(tmp_path, of_role("north", "second machine")), said))


def test_a_field_besides_is_refused(tmp_path: Path) -> None:
    stated = json.loads(unverified_payload(_envelope(word())))
    stated["subject"].append(stated["subject"][0])
    said = seal(canonical_bytes(stated), made_up.private_key("second machine")).as_bytes()
    assert "does not know" in why(judged(opened(tmp_path, of_role("north", "second machine")), said))


def test_what_did_not_come_out_is_not_signed() -> None:
    with pytest.raises(Unproven, match="nothing to sign"):
        word(root=digest(b"another"))
    with pytest.raises(Unproven, match="nothing to sign"):
        word(waypoints=41)
    with pytest.raises(Unproven, match="nothing to sign"):
        word(payload=payload_of(FILES, "receipts/south.json"))


def test_a_receipt_that_does_not_hold_is_not_looked_at_further(tmp_path: Path) -> None:
    found = opened(tmp_path, of_role("north", "second machine"))
    broken = judge_receipt(found, NORTH).model_copy(update={"ok": False})
    assert raised(broken, found, word()) == broken


def test_a_second_word_that_does_not_hold_takes_the_tier_away(tmp_path: Path) -> None:
    found = opened(tmp_path, of_role("north", "second machine"))
    once = judged(found, word())
    assert once.tier == "T1"
    twice = raised(once, found, word("a stranger"))
    assert (twice.ok, twice.tier, twice.steps[-1].number) == (False, "T0", 21)
    assert twice.not_shown[0] == T0_NOT_SHOWN[0] and not set(T1_NOT_SHOWN) & set(twice.not_shown)
    assert raised(once, found, word()).not_shown == once.not_shown


def _envelope(data: bytes):
    from rapha.records.receipt import Receipt

    return Receipt.from_bytes(data)
