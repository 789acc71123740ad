"""TEST ONLY: an authority, a time stamper and a log of certificates whose keys anybody can make again."""

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from rapha.canonical import digest
from rapha.hub.authority import Authority
from rapha.proof import keys
from rapha.proof.certificate import Issuer, authority_certificate, stamper_certificate

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@cache
def private_key(name: str) -> keys.PrivateKey:
    number = int(digest(b"test only " + name.encode())[7:], 16) % keys.GROUP_ORDER
    return ec.derive_private_key(number, ec.SECP256R1())


@cache
def authority(hub: str = "example-hub", at: datetime = AT, seed: str = "") -> Authority:
    """Of a hub of that name, at that hour. Another `seed`: one with other keys."""
    private, stamping, issuing = (private_key(f"{seed}{role} of {hub}") for role in ("authority", "stamper", "ct"))
    certificate = authority_certificate(f"{hub} authority", private, AT)
    stamper = stamper_certificate(f"{hub} time stamper", stamping.public_key(), certificate, private)
    return Authority(hub, Issuer(certificate, private, issuing), stamper, stamping, lambda: at)
