"""The hub's own authority: certificates for those who sign, time stamps, and what strangers' tools need to check both.

Its three keys are made once, at the first start. Who steals them can say that a key is a hospital's that is not: a reader who
pinned the hospital's own key sees that (steps 2 and 19 of `rapha receipt verify`); Sigstore's clients do not.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from rapha.clock import Clock
from rapha.durable import sync_folder
from rapha.errors import ConfigurationError
from rapha.hub.configuration import write_private
from rapha.proof import certified, keys, timestamp
from rapha.proof.certificate import Issuer, authority_certificate, in_der, issue, stamper_certificate
from rapha.proof.certified import Trust
from rapha.proof.claim import signer_uri
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey

_FILES = ("authority-key.pem", "stamper-key.pem", "certificate-log-key.pem", "authority.pem")


@dataclass(frozen=True)
class Authority:
    """See the page's first lines. `hub`: its name."""

    hub: str
    issuer: Issuer
    stamper: x509.Certificate
    stamping: keys.PrivateKey
    clock: Clock

    @property
    def uri(self) -> str:
        """What certificates call their issuer: `--cert-oidc-issuer` of the `sigstore` command."""
        return signer_uri("hub", self.hub)

    @property
    def trust(self) -> Trust:
        return Trust(self.issuer.certificate, self.stamper, self.issuer.stamping.public_key())

    @property
    def trusted(self) -> tuple[TrustedKey, ...]:
        """Its public keys, as others keep them."""
        owned = (
            (certified.AUTHORITY, self.issuer.private),
            (certified.STAMPER, self.stamping),
            (certified.CERTIFICATE_LOG, self.issuer.stamping),
        )
        return tuple(_trusted(self.hub, role, private.public_key()) for role, private in owned)

    def certify(self, receipt: Receipt, signer: TrustedKey) -> tuple[bytes, bytes]:
        """The certificate of a receipt's signer (DER), and the time stamp over its signature, both as of now."""
        at = self.clock()
        signature = certified.signature_of(receipt)
        stamped = timestamp.stamp(signature, at, _serial(signature, at), self.stamper, self.stamping)
        public = keys.public_from_pem(signer.public_key)
        return in_der(issue(public, signer_uri(signer.role, signer.owner), self.uri, self.issuer, at)), stamped


def open_authority(folder: Path, hub: str, clock: Clock) -> Authority:
    """The authority whose keys lie in `folder`; they are made where none are there yet.

    Raises:
        ConfigurationError: some of them are there and others are not, or one cannot be read.
    """
    found = [name for name in _FILES if (folder / name).exists()]
    if not found:
        make_authority(folder, hub, clock())
    elif found != list(_FILES):
        missing = ", ".join(name for name in _FILES if name not in found)
        raise ConfigurationError(f"{folder}: {missing} missing: restore it from a copy, or move the folder away")
    private, stamping, issuing = (keys.private_from_pem((folder / name).read_bytes()) for name in _FILES[:3])
    certificate = _read(folder / "authority.pem", private)
    stamper = stamper_certificate(f"{hub} time stamper", stamping.public_key(), certificate, private)
    return Authority(hub, Issuer(certificate, private, issuing), stamper, stamping, clock)


def make_authority(folder: Path, hub: str, at: datetime) -> None:
    """New keys, in another folder first: they are there all together, or none of them is."""
    draft = folder.with_name(f"{folder.name}.draft")
    draft.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: Sequence[keys.PrivateKey] = [keys.generate() for _ in range(3)]
    for name, private in zip(_FILES[:3], made, strict=True):
        write_private(draft / name, keys.private_to_pem(private))
    certificate = authority_certificate(f"{hub} authority", made[0], at)
    write_private(draft / "authority.pem", certificate.public_bytes(Encoding.PEM))
    draft.rename(folder)
    sync_folder(folder.parent)


def _read(path: Path, private: keys.PrivateKey) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path} is not the certificate of an authority: restore it from a copy") from error
    if certificate.public_key() != private.public_key():
        raise ConfigurationError(f"{path} is of another key than the one beside it: restore both from a copy")
    return certificate


def _serial(signature: bytes, at: datetime) -> int:
    """Of a time stamp: another one for another signature or time."""
    return int.from_bytes(hashlib.sha256(signature + at.isoformat().encode()).digest()[:19], "big") | 1


def _trusted(owner: str, role: str, public: keys.PublicKey) -> TrustedKey:
    return TrustedKey.model_validate(
        {"owner": owner, "role": role, "keyid": keys.keyid(public), "public_key": keys.public_to_pem(public)}
    )
