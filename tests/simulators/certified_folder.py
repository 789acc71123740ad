"""The second form of every receipt of a made-up folder, as its hub would add it."""

from collections.abc import Iterable, Mapping

import small_authority
import small_log

from rapha.proof.bundle import read_bundle
from rapha.proof.certified import TRUST_CONFIG_FILE, certified_path, trust_config
from rapha.records.wire import TrustedKey

HUB = "example-hub"


def second_forms(receipts: Mapping[str, bytes], signers: Iterable[TrustedKey]) -> dict[str, bytes]:
    """Path -> bytes below sigstore/. `receipts`: path -> receipt file. `signers`: the keys they are signed with."""
    known = {key.keyid: key for key in signers}
    files = {TRUST_CONFIG_FILE: small_trust_config()}
    for path, data in receipts.items():
        receipt = read_bundle(data).dsseEnvelope
        signer = known[receipt.signatures[0].keyid]
        files[certified_path(path)] = small_log.certified(receipt, signer, small_authority.authority(HUB))
    return files


def small_trust_config() -> bytes:
    authority = small_authority.authority(HUB)
    log = small_log.private_key(small_log.ORIGIN).public_key()
    return trust_config((authority.trust,), ((log, None),), small_log.ORIGIN, HUB, authority.uri).as_bytes()
