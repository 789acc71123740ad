"""The log's entry is written out by hand, and is the canonical form of what it says."""

import json

import pytest
import record_samples as made_up

from rapha.canonical import base64_text, canonical_bytes
from rapha.proof import keys
from rapha.proof.entry import certified_entry, log_entry, log_entry_of
from rapha.proof.envelope import seal


@pytest.mark.parametrize("signature", ["MEUCIQ==", "", 'of "nobody" \\ \n', "\u00e9\u4e2d"])
def test_an_entry_is_in_canonical_form_whatever_the_signature_is(signature: str) -> None:
    public = made_up.private_key("north").public_key()
    entry = log_entry_of(b"\x00" * 32, signature, public)
    value = json.loads(entry)
    assert canonical_bytes(value) == entry
    body = value["spec"]["hashedRekordV002"]
    assert body["signature"]["content"] == signature
    assert body["data"] == {"algorithm": "SHA2_256", "digest": base64_text(b"\x00" * 32)}


def test_both_forms_say_the_same_of_all_but_the_signer() -> None:
    private = made_up.private_key("north")
    receipt = seal(b"{}", private)
    bare, certified = json.loads(log_entry(receipt, private.public_key())), json.loads(certified_entry(receipt, b"DER"))
    signers = [one["spec"]["hashedRekordV002"]["signature"]["verifier"] for one in (bare, certified)]
    assert keys.keyid(keys.public_from_der(_bytes(signers[0].pop("publicKey")))) == receipt.signatures[0].keyid
    assert _bytes(signers[1].pop("x509Certificate")) == b"DER"
    assert bare == certified
    assert (bare["kind"], bare["apiVersion"]) == ("hashedrekord", "0.0.2")


def _bytes(raw: dict[str, str]) -> bytes:
    import base64

    return base64.b64decode(raw["rawBytes"])
