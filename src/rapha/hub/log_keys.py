"""The log's two keys, in one file: Ed25519, and ML-DSA-44 for a second line on each checkpoint, which a quantum computer does not forge.

One file, `log-key.pem`, with the one after the other: they are made, copied and followed by others together or not at all.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from rapha.errors import ConfigurationError
from rapha.hub.configuration import write_private
from rapha.proof import checkpoint, lasting
from rapha.records.wire import TrustedKey

_BLOCK = re.compile(rb"-----BEGIN [A-Z ]+-----\n.*?-----END [A-Z ]+-----\n?", re.DOTALL)


@dataclass(frozen=True)
class LogKeys:
    """`second`: None in a home of hubs that share a database and had none when they began."""

    private: Ed25519PrivateKey
    second: MLDSA44PrivateKey | None

    def as_pem(self) -> bytes:
        """For a file of mode 0600."""
        second = lasting.private_to_pem(self.second) if self.second else b""
        return checkpoint.private_to_pem(self.private) + second

    def trusted(self, origin: str) -> tuple[TrustedKey, ...]:
        """Their public keys, as others keep them."""
        return trusted(origin, self.private.public_key(), self.second.public_key() if self.second else None)


def made() -> LogKeys:
    """Fresh ones."""
    return LogKeys(Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())


def read_log_keys(path: Path) -> LogKeys:
    """Raises ConfigurationError: the file is not as the hub wrote it."""
    pem = path.read_bytes()
    blocks = _BLOCK.findall(pem)
    if b"".join(blocks) != pem or len(blocks) not in (1, 2):
        raise ConfigurationError(f"{path} is not as the hub wrote it: restore it from a copy")
    first, *second = blocks
    return LogKeys(checkpoint.private_from_pem(first), lasting.private_from_pem(second[0]) if second else None)


def completed(path: Path) -> LogKeys:
    """The keys in a file; the second is made, and written there, where a hub of an earlier version made the first alone. Raises as
    `read_log_keys`."""
    found = read_log_keys(path)
    if found.second is None:
        found = LogKeys(found.private, MLDSA44PrivateKey.generate())
        write_private(path, found.as_pem())
    return found


def trusted(origin: str, public: Ed25519PublicKey, second: MLDSA44PublicKey | None) -> tuple[TrustedKey, ...]:
    """A log's public keys, as others keep them."""
    pem = checkpoint.public_to_pem(public)
    first = TrustedKey(owner=origin, role="log", keyid=checkpoint.keyid(public), public_key=pem)
    if second is None:
        return (first,)
    pem = lasting.public_to_pem(second)
    return (first, TrustedKey(owner=origin, role="log-ml-dsa-44", keyid=lasting.keyid(second), public_key=pem))
