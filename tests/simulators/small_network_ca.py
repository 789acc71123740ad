"""A certificate authority for a test: certificates of servers and clients, as PEM files."""

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class SmallNetworkCa:
    """Its own certificate is `certificate`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / f"{name}.pem"
        own = self._begun(self._name, self._key.public_key(), is_authority=True).sign(self._key, SHA256())
        self.certificate.write_bytes(own.public_bytes(Encoding.PEM))

    def issue(self, name: str) -> Path:
        """One PEM file of a certificate, good for 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        begun = self._begun(subject, key.public_key(), is_authority=False).add_extension(address, critical=False)
        path = self._folder / f"{name}.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(begun.sign(self._key, SHA256()).public_bytes(Encoding.PEM) + secret)
        return path

    def _begun(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, *, is_authority: bool
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        begun = x509.CertificateBuilder(self._name, subject, public, x509.random_serial_number())
        begun = begun.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(days=1))
        begun = begun.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        known = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        return begun.add_extension(own, critical=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False
        )
