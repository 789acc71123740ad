"""Ways to say something false with a certificate or a time stamp."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import record_samples as made_up
import small_authority
import small_log

from rapha.hub.authority import Authority
from rapha.proof.certified import certified_bundle, certified_path, signature_of
from rapha.proof.entry import certified_entry
from rapha.proof.timestamp import stamp
from rapha.records.bundle import Bundle
from rapha.records.certified import CertifiedBundle
from rapha.records.wire import TrustedKeys

Files = dict[str, bytes]
HUB, NORTH = "example-hub", "receipts/north.json"
SECOND = certified_path(NORTH)


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[Files], None]:
    """Change the JSON of north's second form."""

    def at_last(files: Files) -> None:
        value = json.loads(files[SECOND])
        change(value)
        files[SECOND] = json.dumps(value).encode()

    return at_last


def other_envelope(files: Files) -> None:
    value = json.loads(files[SECOND])
    value["dsseEnvelope"] = json.loads(files["receipts/south.json"])["dsseEnvelope"]
    files[SECOND] = json.dumps(value).encode()


def entry_of_the_key(files: Files) -> None:
    """Logged indeed, but with the bare key: nobody would see under which certificate."""
    value = json.loads(files[SECOND])
    value["verificationMaterial"]["tlogEntries"] = json.loads(files[NORTH])["verificationMaterial"]["tlogEntries"]
    files[SECOND] = json.dumps(value).encode()


def unsigned_log(files: Files) -> None:
    value = json.loads(files[SECOND])
    note = value["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    text, lines = note["envelope"].split("\n\n", 1)
    note["envelope"] = text + "\n\n" + "\n".join(line for line in lines.split("\n") if small_log.ORIGIN not in line)
    files[SECOND] = json.dumps(value).encode()


def stamped(by: Authority, minutes: int = 0, message: bytes | None = None) -> Callable[[Files], None]:
    """Another time stamp: by somebody else, at another time, or over other bytes."""

    def at_last(files: Files) -> None:
        old = CertifiedBundle.from_bytes(files[SECOND])
        signed = signature_of(old.dsseEnvelope) if message is None else message
        at = by.clock() + timedelta(minutes=minutes)
        made = stamp(signed, at, 5, by.stamper, by.stamping)
        der = base64.b64decode(old.verificationMaterial.certificate.rawBytes)
        entry = old.verificationMaterial.tlogEntries[0]
        files[SECOND] = certified_bundle(old.dsseEnvelope, der, made, entry).as_bytes()

    return at_last


def certified_by(other: Authority) -> Callable[[Files], None]:
    """A certificate by another authority, logged; stamped by the one that is known."""

    def at_last(files: Files) -> None:
        receipt = Bundle.from_bytes(files[NORTH]).dsseEnvelope
        der, _ = other.certify(receipt, made_up.trusted("north"))
        _, made = known().certify(receipt, made_up.trusted("north"))
        entry = small_log.placed_here(certified_entry(receipt, der))
        files[SECOND] = certified_bundle(receipt, der, made, entry).as_bytes()

    return at_last


def known() -> Authority:
    return small_authority.authority(HUB)


def stranger() -> Authority:
    return small_authority.authority(HUB, seed="stranger's ")


def unstamped() -> Authority:
    """The authority that is known, its issuing stamped by another than the one that is."""
    return replace(known(), issuer=replace(known().issuer, stamping=stranger().issuer.stamping))


def without(role: str) -> Callable[[Files], None]:
    """The folder's keys do not list who has this role."""

    def at_last(files: Files) -> None:
        listed = TrustedKeys.from_bytes(files["receipts/keys.json"]).keys
        files["receipts/keys.json"] = TrustedKeys(keys=tuple(k for k in listed if k.role != role)).as_bytes()

    return at_last


def edit_certificate(value: dict[str, Any]) -> None:
    """One bit of the identity; the entry follows, as the log takes any."""
    material = value["verificationMaterial"]
    der = base64.b64decode(material["certificate"]["rawBytes"]).replace(b"/node/north", b"/node/morth", 1)
    material["certificate"]["rawBytes"] = base64.b64encode(der).decode()
    receipt = CertifiedBundle.model_validate(value).dsseEnvelope
    material["tlogEntries"] = [small_log.placed_here(certified_entry(receipt, der)).as_json()]
